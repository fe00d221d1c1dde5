"""A table that lands an hour late is told by its name at the next check, and without lateness nothing is."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from tasks.core.tables import erase, insert_new
from tasks.core.use_case import META
from tasks.data.context import read_month
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import months
from tasks.features.index import Index
from tasks.inference.prediction_log import PREDICTIONS, key_text
from tasks.inference.scorer import Scorer, to_inputs
from tasks.monitoring.late_features import find_late_features
from tasks.monitoring.window import Window
from tasks.training.estimators import DEFAULT
from tasks.training.fit import fit_model, to_bytes

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


@pytest.fixture(scope="module")
def champion(year, use_case, params):
    """Boosted trees that were fitted on the months before."""
    known = year.filter(pl.col("event_time") < datetime(2013, 10, 1, tzinfo=UTC)).tail(60_000)
    fitted = fit_model.fn(use_case, known, DEFAULT, params.seed)
    scorer = Scorer(to_bytes(fitted, known.drop(META).schema))
    return SimpleNamespace(version="1", bundle=SimpleNamespace(scorer=scorer))


@pytest.fixture
def scored(store, champion, november, use_case):
    """Call it to log the scores of the day as if one table had been late."""

    def call(table: str | None, late: timedelta = timedelta(0)):
        rows, index = november
        seen = as_late(index, table, late) if table else index
        asked = rows.select(use_case.prediction_time).to_series()
        scores = champion.bundle.scorer.run(to_inputs(use_case.features.values(rows, seen)[0]))
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

    return call


@pytest.fixture
def check(champion, snapshot, use_case, params):
    """Call it to look for late features of the day."""

    def call():
        frame, _ = build_feature_frame.fn(snapshot, use_case, AS_OF, DAY.start, params.validation)
        return find_late_features.fn(use_case, snapshot, frame, champion, DAY, AS_OF, params)

    return call


@pytest.mark.parametrize("table", ["weather", "flights"])
def test_an_hour_of_one_table_is_told_by_its_name(table, scored, check):
    scored(table, HOUR)
    found = check()
    assert found is not None and next(iter(found.tables)) == table, found
    assert found.share > 0.1 and set(found.cost) == {"roc_auc"} and table in str(found)


def test_without_lateness_nothing_is_told(scored, check):
    scored(None)
    assert check() is None


def test_where_nothing_was_logged_nothing_is_told(store, check):
    assert check() is None


def test_without_contexts_on_the_log_no_table_is_blamed(scored, check):
    scored("weather", HOUR)
    erase(PREDICTIONS, ("context",), "true")
    found = check()
    assert found is not None and found.tables == {} and np.isfinite(found.share)
