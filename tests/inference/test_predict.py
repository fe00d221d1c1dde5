"""predict scores the rows of its backlog, each moment of it, and none before."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from flows import predict as module

AS_OF, MOMENT = datetime(2013, 6, 1, 5, tzinfo=UTC), timedelta(microseconds=1)


@pytest.fixture
def scored(params, monkeypatch):
    """Call it to run the flow on rows with these event times and learn those of the rows that it scores."""

    def call(times: list[datetime], as_of: datetime | None = AS_OF, **given) -> list[datetime]:
        frame = pl.DataFrame({"event_time": times}, schema={"event_time": pl.Datetime("us", "UTC")})
        heard, champion = [], SimpleNamespace(version="1", bundle=SimpleNamespace(scorer=None))
        asked = []  # the moments whose champion scores
        for name, stub in {
            "load_use_case": lambda model: None,
            "pull_snapshot": lambda *given: SimpleNamespace(version="data"),
            "load_predecessor": lambda *given: None,
            "resolve_as_of": lambda as_of, *given: as_of or AS_OF,
            "read_log": lambda model: None,
            "require_champion": lambda log, as_of: asked.append(as_of) or champion,
            "build_feature_frame": lambda snapshot, use_case, as_of, since, validation: (
                heard.append(since) or (frame, [])
            ),
            "take_in_answers": lambda *given: 0,
            "score_rows": lambda model, rows, *given: heard.extend(rows["event_time"]) or rows.height,
            "task": lambda function: function,
        }.items():
            monkeypatch.setattr(module, name, stub)
        count = module.predict.fn(as_of, params=params, **given)
        assert count == len(heard) - 1 and asked == [as_of]  # without a moment the last, as an endpoint answers
        return heard

    return call


def test_a_row_at_the_very_beginning_is_scored_and_one_before_it_is_not(scored):
    since = AS_OF - timedelta(days=3)
    assert scored([since - MOMENT, since, AS_OF], since=since) == [since, since, AS_OF]


def test_without_a_moment_the_last_champion_scores_even_where_the_data_lag(scored, params):
    assert scored([AS_OF], as_of=None) == [AS_OF - params.predict.backlog, AS_OF]


def test_without_a_beginning_it_is_the_backlog_before_as_of(scored, params):
    since = AS_OF - params.predict.backlog
    assert scored([since - MOMENT, since, AS_OF]) == [since, since, AS_OF]
