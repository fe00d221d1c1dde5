"""What features are made of, in a terminal: all of them, or those of one row."""

import pytest

from flows.features import features
from tasks.core.errors import InputError


@pytest.mark.parametrize(("model", "count"), [("late-arrivals", 24), ("arrival-delay", 26)])
def test_without_a_condition_every_feature_is_listed_with_what_it_is_made_of(model, count, own_workspace, capsys):
    features(model=model)
    said = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(said) if line.startswith(f"{model}: "))
    assert said[start + 1].split()[:3] == ["feature", "nulls", "importance"]
    made_of = {line.split()[0]: line for line in said[start + 2 :]}
    assert len(made_of) == count and made_of["origin_3h_late"].endswith("share([(arr_delay) >= (15)])")


def test_with_conditions_the_newest_row_that_meets_them_is_explained(own_workspace, capsys):
    features("carrier=UA", "origin=EWR")
    said = capsys.readouterr().out
    assert "flights: " in said and "carrier=UA" in said and "last_delay = " in said


def test_conditions_that_no_row_meets_are_one_sentence(own_workspace):
    with pytest.raises(
        InputError, match="no valid row of flights with a prediction time before .* meets these conditions"
    ):
        features("carrier=QQ")
