"""What no model can learn from stops a training before it is tuned."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.registry.decision_log import read_log
from tasks.registry.promotion import promote_by_hand
from tasks.registry.versions import open_champion
from tasks.training.feature_checks import check_features
from tasks.training.split import Sets

START = datetime(2024, 1, 1, tzinfo=UTC)
INF = float("inf")


def made_of(values: list, kind: type[pl.DataType] = pl.Float32) -> Sets:
    """Sets of four rows in time, the first half to train on, the last for the gate."""
    times = [START + timedelta(days=day) for day in range(len(values))]
    frame = pl.DataFrame({"event_time": times, "x": pl.Series(values, dtype=kind)})
    meta = frame.with_columns(key=None, label_time="event_time", target=True, watched=None)
    half = len(values) // 2
    return Sets(train=meta[:half], validation=meta[half:-1], fit=meta[:-1], gate=meta[-1:])


def test_what_the_champion_needs_is_missed_before_a_model_is_tuned(versions):
    promote_by_hand("late-arrivals", "1", "first", "data")
    champion = open_champion(read_log("late-arrivals"), datetime.now(UTC))
    (needed, *_) = sorted(champion.bundle.scorer.features)
    with pytest.raises(InputError, match=f"the model needs the feature '{needed}', which features.py no longer makes"):
        check_features(made_of([1, 1, 1, 1]), champion)


@pytest.mark.parametrize("values", [[1, INF, 1, 1], [1, 1, 1, -INF]])
def test_an_infinite_feature_is_told_with_what_to_do(values):
    with pytest.raises(InputError, match="x is infinite in 1 of 4 rows: divide only where the divisor is not 0"):
        check_features(made_of(values))


def test_a_feature_without_a_value_in_the_train_set_is_told_with_its_first():
    with pytest.raises(InputError, match="x has no value in the train set, its first one is of 2024-01-03"):
        check_features(made_of([None, None, 1, 1]))
    with pytest.raises(InputError, match="x has no value in the train set, nor later"):
        check_features(made_of([None] * 4, pl.String))
    check_features(made_of([None, 1, None, None]))


def test_a_text_with_very_many_values_is_warned_of(capsys):
    check_features(made_of([str(number) for number in range(2_000)], pl.String))
    assert "warning: the text feature x has 1,999 different values in 1,999 rows" in capsys.readouterr().out
    check_features(made_of(["a", "b", "a", "b"], pl.String))
    assert not capsys.readouterr().out
