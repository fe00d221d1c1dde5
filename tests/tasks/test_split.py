"""Sets follow each other in time, and each row was known when its set ended."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.training.split import first_event, split_rows

AS_OF = datetime(2013, 6, 1, tzinfo=UTC)


def test_each_row_of_a_set_was_known_before_the_next_set_begins(year, params):
    known = year.filter(pl.col("known_at") < AS_OF)
    sets = split_rows(known, AS_OF, params.split)
    gate_start = AS_OF - params.split.gate
    assert sets.train["known_at"].max() < gate_start - params.split.validation <= sets.validation["event_time"].min()
    assert sets.validation["known_at"].max() < gate_start <= sets.gate["event_time"].min()
    assert sets.fit["known_at"].max() < gate_start
    assert sets.gate["known_at"].max() < AS_OF
    assert sets.fit.height > sets.train.height + sets.validation.height  # what is known between the two is fitted too


def test_history_limits_how_far_back_the_fit_goes(year, params):
    split = params.split.model_copy(update={"history": timedelta(days=31)})
    sets = split_rows(year.filter(pl.col("known_at") < AS_OF), AS_OF, split)
    assert sets.fit["event_time"].min() >= first_event(AS_OF, split) == AS_OF - split.gate - timedelta(days=31)


def test_sets_that_would_be_empty_or_of_one_target_are_told_by_name(year, params):
    with pytest.raises(InputError, match="leaves no rows in the validation set"):
        split_rows(year.head(1000), AS_OF, params.split)
    with pytest.raises(InputError, match="every target of the train set is the same"):
        split_rows(year.filter(pl.col("known_at") < AS_OF).with_columns(target=True), AS_OF, params.split)
