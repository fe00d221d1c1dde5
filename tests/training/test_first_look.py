"""Settings that suit the data: told at once, with values with which the next training goes through."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import yaml

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.training.first_look import SPARE, describe_outcomes, require_suited, suit
from tasks.training.split import split_rows

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WAITS = ("monitor.min_labels", "retrain.min_new_rows")


@pytest.fixture
def plain(own_workspace):
    """The defaults."""
    (own_workspace / "params.yaml").write_text("")
    return Params.load("late-arrivals").model_copy(update={"gate": Params.model_construct().gate})


def make_rows(step: timedelta, span: timedelta, delay: timedelta) -> pl.DataFrame:
    """Labelled rows at each step of a span that ends at AS_OF, whose outcomes are known a while later, and by AS_OF."""
    count = int((span - delay) / step)
    events = [AS_OF - delay - step * (number + 1) for number in range(count)]
    rows = pl.DataFrame({"event_time": events, "target": [float(number % 7) for number in range(count)]})
    return rows.with_columns(label_time=pl.col("event_time") + delay).sort("event_time")


SUITED = {
    "hundreds a day": (timedelta(minutes=10), 200 * DAY, HOUR, set()),
    "a row an hour": (HOUR, 365 * DAY, DAY, {"gate.min_rows", "monitor.min_labels", "retrain.min_new_rows"}),
    "three a day": (8 * HOUR, 700 * DAY, DAY, {"split.gate", "split.validation", "gate.min_rows", *WAITS}),
    "a row a day": (DAY, 3 * 365 * DAY, DAY, {"split.gate", "split.validation", "gate.min_rows", *WAITS}),
    "outcomes after two months": (timedelta(minutes=10), 400 * DAY, 60 * DAY, {"split.gate", "split.validation"}),
}


@pytest.mark.parametrize("case", SUITED)
def test_what_is_proposed_lets_a_training_go_through(case, plain):
    step, span, delay, expected = SUITED[case]
    rows = make_rows(step, span, delay)
    changes = suit(rows, AS_OF, plain)
    assert {f"{section}.{name}" for section, settings in changes.items() for name in settings} == expected
    suited = plain.model_copy(update={name: getattr(plain, name).change(value) for name, value in changes.items()})
    assert suit(rows, AS_OF, suited) == {}
    sets = split_rows(rows, AS_OF, suited.split)
    assert sets.gate.height >= suited.gate.min_rows and sets.gate["event_time"].dt.date().n_unique() >= 14


def test_a_first_training_that_cannot_pass_stops_with_all_settings_in_one_list(plain):
    rows = make_rows(8 * HOUR, 700 * DAY, DAY)
    with pytest.raises(
        InputError, match="do not suit the settings: write into project/late_arrivals/params.yaml"
    ) as told:
        require_suited(rows, AS_OF, plain, first=True)
    listed = yaml.safe_load(str(told.value).split("params.yaml\n")[1])
    assert listed.keys() == {"split", "gate", "monitor", "retrain"}


def test_a_later_training_gets_the_same_list_as_advice_or_none_where_no_settings_would_do(plain, capsys):
    require_suited(make_rows(8 * HOUR, 700 * DAY, DAY), AS_OF, plain, first=False)
    listed = yaml.safe_load(capsys.readouterr().out.split("params.yaml\n")[1])
    assert listed.keys() == {"split", "gate", "monitor", "retrain"}
    require_suited(make_rows(DAY, 100 * DAY, DAY), AS_OF, plain, first=False)
    assert capsys.readouterr().out == ""


def test_days_to_spare_are_proposed_before_they_are_missed(plain):
    rows = make_rows(timedelta(minutes=10), 365 * DAY, 13 * DAY)  # outcomes on 15 of 28 days: 14 are required
    assert suit(rows, AS_OF, plain).get("split") is None
    assert suit(rows, AS_OF, plain, SPARE)["split"] == {"gate": "42d"}


def test_what_would_only_wait_later_is_advice_and_stops_nothing(plain, capsys):
    rows = make_rows(HOUR / 4, 365 * DAY, DAY)
    patient = plain.model_copy(update={"monitor": plain.monitor.model_copy(update={"min_labels": 9_000})})
    require_suited(rows, AS_OF, patient, first=True)
    assert yaml.safe_load(capsys.readouterr().out.split("params.yaml\n")[1]) == {"monitor": {"min_labels": 1344}}


@pytest.mark.parametrize(("step", "span"), [(DAY, 100 * DAY), (30 * DAY, 3000 * DAY)])
def test_too_few_rows_for_any_settings_are_told_as_such(plain, step, span):
    with pytest.raises(InputError, match=r"labelled rows from .* are too few to train, validate and judge a model"):
        suit(make_rows(step, span, DAY), AS_OF, plain)


@pytest.mark.parametrize(("slowest", "told"), [(9, True), (1, False)])
def test_outcomes_that_the_contract_has_known_too_early_are_told(slowest, told):
    frame = make_rows(timedelta(hours=1), timedelta(days=90), timedelta(days=1))
    takes = pl.duration(days=pl.int_range(pl.len()) % slowest + 1)
    frame = frame.with_columns(target=pl.when(pl.col("event_time") + takes <= AS_OF).then("target"))
    sentence = describe_outcomes(frame, frame.drop_nulls("target"))
    assert ("outcomes_known_at of project/contract.py is too early" in sentence) is told
    assert bool(re.search(r"of those due in its last week [2-9]\d% have none, of those before 0%:", sentence)) is told
