"""Sets follow each other in time, and each row was known when its set ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.registry.versions import Champion
from tasks.training.split import agree_on_kind, first_event, labelled_rows, split_rows

AS_OF = datetime(2013, 6, 1, tzinfo=UTC)


def test_each_row_of_a_set_was_known_before_the_next_set_begins(year, params):
    known = year.filter(pl.col("label_time") < AS_OF)
    sets = split_rows(known, AS_OF, params.split)
    gate_start = AS_OF - params.split.gate
    assert sets.train["label_time"].max() < gate_start - params.split.validation <= sets.validation["event_time"].min()
    assert sets.validation["label_time"].max() < gate_start <= sets.gate["event_time"].min()
    assert sets.fit["label_time"].max() < gate_start
    assert sets.gate["label_time"].max() < AS_OF
    assert sets.fit.height > sets.train.height + sets.validation.height  # what is known between the two is fitted too


def framed(moments: dict[str, tuple[datetime, datetime]]) -> pl.DataFrame:
    """Labelled rows by name, each with the time of its event and when that became known; both targets for each."""
    rows = [(name, event, known, target) for name, (event, known) in moments.items() for target in (True, False)]
    kinds = {"name": pl.String, "event_time": pl.Datetime("us", "UTC"), "label_time": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=kinds | {"target": pl.Boolean}, orient="row")


def test_a_row_whose_outcome_was_known_before_its_event_is_in_no_two_sets(params):
    gate, hour = AS_OF - params.split.gate, timedelta(hours=1)
    validation = gate - params.split.validation
    plain = {f"plain of {end}": (end - 9 * hour, end - 5 * hour) for end in (validation, gate, AS_OF)}
    early = {f"early of {start}": (start + hour, start - hour) for start in (validation, gate)}
    sets = split_rows(framed(plain | early), AS_OF, params.split)
    names = {part: set(rows["name"]) for part, rows in sets._asdict().items()}
    assert names["gate"] == {f"plain of {AS_OF}", f"early of {gate}"} and not names["gate"] & names["fit"]
    assert names["validation"] == {f"plain of {gate}", f"early of {validation}"}
    assert not names["validation"] & names["train"]


def test_at_each_boundary_the_moment_itself_belongs_to_the_later_side(params):
    """A set begins with an event at its start, and ends before what became known at its end."""
    split = params.split.model_copy(update={"history": timedelta(days=90)})
    gate, validation = AS_OF - split.gate, AS_OF - split.gate - split.validation
    history, hour, moment = gate - split.history, timedelta(hours=1), timedelta(microseconds=1)
    frame = framed(
        {
            "a plain one of the train set": (validation - 9 * hour, validation - 5 * hour),
            "a plain one of the validation set": (gate - 9 * hour, gate - 5 * hour),
            "a plain one of the gate": (AS_OF - 9 * hour, AS_OF - 5 * hour),
            "known at the gate": (gate - 3 * hour, gate),
            "known before the gate": (gate - 3 * hour, gate - moment),
            "event at the gate": (gate, gate + hour),
            "event before the gate": (gate - moment, gate + hour),
            "known at validation": (validation - 3 * hour, validation),
            "known before validation": (validation - 3 * hour, validation - moment),
            "event at validation": (validation, validation + hour),
            "event before validation": (validation - moment, validation + hour),
            "event at the start of history": (history, history + hour),
            "event before history": (history - moment, history + hour),
        }
    )
    sets = {name: set(rows["name"]) for name, rows in split_rows(frame, AS_OF, split)._asdict().items()}
    assert sets == {
        "train": {"a plain one of the train set", "known before validation", "event at the start of history"},
        "validation": {"a plain one of the validation set", "known before the gate", "event at validation"},
        "gate": {"a plain one of the gate", "event at the gate"},
        "fit": sets["train"] | sets["validation"] | {"known at validation", "event before validation"},
    }
    unlimited = split_rows(frame, AS_OF, split.model_copy(update={"history": None}))
    assert set(unlimited.fit["name"]) - sets["fit"] == {"event before history"}


def test_history_limits_how_far_back_the_fit_goes(year, params):
    split = params.split.model_copy(update={"history": timedelta(days=31)})
    sets = split_rows(year.filter(pl.col("label_time") < AS_OF), AS_OF, split)
    assert sets.fit["event_time"].min() >= first_event(AS_OF, split) == AS_OF - split.gate - timedelta(days=31)


def test_sets_that_would_be_empty_or_of_one_target_are_told_by_name(year, params):
    with pytest.raises(InputError, match="leaves no rows in the validation set"):
        split_rows(year.head(1000), AS_OF, params.split)
    with pytest.raises(InputError, match="every target of the train set is the same"):
        split_rows(year.filter(pl.col("label_time") < AS_OF).with_columns(target=True), AS_OF, params.split)


def champion(target: str | None) -> Champion:
    """A champion whose card says this of its target."""
    card = {} if target is None else {"target": target}
    return Champion("7", SimpleNamespace(card=card), {})


def test_a_count_that_happens_to_be_0_or_1_is_what_the_champion_predicts(use_case):
    count = replace(use_case, target=pl.col("arr_delay"))
    rows = labelled_rows(pl.DataFrame({"target": [0.0, 1.0, None]}))
    assert rows["target"].to_list() == [False, True]
    for known, kind in ((None, pl.Boolean), ("Boolean", pl.Boolean), ("Float64", pl.Float64)):
        assert agree_on_kind(count, rows, champion(known))["target"].dtype == kind
    assert agree_on_kind(count, rows, None)["target"].dtype == pl.Boolean


def test_a_target_of_another_kind_than_the_champions_is_refused(use_case):
    count, rows = replace(use_case, target=pl.col("arr_delay")), pl.DataFrame({"target": [0.0, 3.0]})
    with pytest.raises(InputError, match="champion version 7 predicts a Boolean target, and TARGET is Float64 now"):
        agree_on_kind(count, labelled_rows(rows), champion("Boolean"))
    with pytest.raises(InputError, match="champion version 7 predicts a Float64 target, and TARGET is Boolean now"):
        agree_on_kind(use_case, pl.DataFrame({"target": [True, False]}), champion("Float64"))
