"""A table that lands an hour late is told by its name at the next check, and without lateness nothing is."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from tasks.core.tables import insert_new
from tasks.data.context import read_month
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import months
from tasks.features.index import Index
from tasks.inference.prediction_log import PREDICTIONS, key_text
from tasks.inference.scorer import to_inputs
from tasks.monitoring.late_features import find_late_features
from tasks.monitoring.window_check import Window
from tasks.registry.decision_log import read_log
from tasks.registry.versions import load_version

MODEL = "late-arrivals"
AS_OF = datetime(2013, 11, 29, tzinfo=UTC)
DAY = Window(AS_OF - timedelta(days=1), AS_OF)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def november(snapshot, use_case, params):
    """The rows of a day, and the index of all that was known around it."""
    (span,) = [span for span in months(snapshot, use_case) if span[0] == datetime(2013, 11, 1, tzinfo=UTC)]
    context = read_month(snapshot, use_case, span, AS_OF, params.validation)
    near = use_case.event_time.is_between(DAY.start, DAY.end, closed="left")
    return context.rows.filter(near), context.index


def as_late(index: Index, table: str, late: timedelta) -> Index:
    """The index as if the rows of a table had become known so much later."""
    declared = index.tables[table]
    part = "outcomes_known_at" if declared.outcomes else "known_at"
    later = replace(declared, **{part: getattr(declared, part) + late})
    return Index(index.tables | {table: later}, index.frames)


def newest(index: Index, table: str, asked: pl.Series, late: timedelta) -> list[str]:
    """When the newest row of a table became known that was there at each of these moments."""
    declared = index.tables[table]
    known = index.frames[table].select(declared.history_time(bool(declared.outcomes)).alias("known")).drop_nulls()
    known = known["known"].sort()
    places = known.search_sorted(asked - late, side="left") - 1
    return [known[int(place)].isoformat() for place in places]


@pytest.fixture
def scored(versions, november, use_case):
    """Call it to log the scores of the day as if one table had been late; returns the champion."""

    def call(table: str | None, late: timedelta = timedelta(0)):
        rows, index = november
        seen = as_late(index, table, late) if table else index
        asked = rows.select(use_case.prediction_time).to_series()
        bundle = load_version(read_log(MODEL), "1")
        scores = bundle.scorer.run(to_inputs(use_case.features.values(rows, seen)[0]))
        ends = {
            name: newest(index, name, asked, late if name == table else timedelta(0)) for name in ("flights", "weather")
        }
        logged = rows.select(
            model=pl.lit(MODEL),
            day=use_case.event_time.dt.date(),
            key=key_text(rows.select(key=pl.struct(use_case.key))),
            event_time=use_case.event_time,
            score=pl.Series(scores),
            version=pl.lit("1"),
            context=pl.Series(
                [json.dumps(dict(zip(ends, ends_of, strict=True))) for ends_of in zip(*ends.values(), strict=True)]
            ),
        )
        insert_new(PREDICTIONS, logged)
        return SimpleNamespace(version="1", bundle=bundle)

    return call


@pytest.fixture
def check(snapshot, use_case, params):
    """Call it to look for late features of the day."""

    def call(champion):
        frame, _ = build_feature_frame.fn(snapshot, use_case, AS_OF, DAY.start, params.validation)
        return find_late_features.fn(use_case, snapshot, frame, champion, DAY, AS_OF, params)

    return call


@pytest.mark.parametrize("table", ["weather", "flights"])
def test_an_hour_of_one_table_is_told_by_its_name(table, scored, check):
    found = check(scored(table, HOUR))
    assert found is not None and next(iter(found.tables)) == table
    assert found.share > 0.2 and set(found.cost) == {"roc_auc"} and table in str(found)


def test_without_lateness_nothing_is_told_and_all_scores_are_the_same(scored, check, params):
    champion = scored(None)
    assert check(champion) is None


def test_few_rows_tell_nothing(versions, check):
    bundle = load_version(read_log(MODEL), "1")
    assert check(SimpleNamespace(version="1", bundle=bundle)) is None


def test_without_contexts_on_the_log_no_table_is_blamed(scored, check, monkeypatch):
    monkeypatch.setattr(pl.Series, "__module__", pl.Series.__module__)
    rows = scored("weather", HOUR)
    from tasks.core.tables import erase

    erase(PREDICTIONS, ("context",), "true")
    found = check(rows)
    assert found is not None and found.tables == {} and np.isfinite(found.share)
