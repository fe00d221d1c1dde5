"""Where a version comes from: a chain for one, a line for each."""

import json

import pytest

from flows.audit import audit
from tasks.core.errors import InputError
from tasks.registry.promotion import promote_by_hand, roll_back


def test_without_a_version_on_record_it_says_how_to_make_one(store, capsys):
    audit(None)
    assert capsys.readouterr().out == "no version yet: `ml train` makes the first\n"


def test_the_champion_is_named_in_the_list(versions, capsys):
    promote_by_hand("late-arrivals", "2", "better", "data")
    audit(None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "version  as of       verdict  by   champion",
        "1        2013-04-01  promote  Ada",
        "2        2013-06-01  promote  Ada  champion",
    ]
    audit(None, as_json=True)
    assert [found["now"] for found in json.loads(capsys.readouterr().out)] == ["", "champion", ""]


def test_a_version_is_named_as_the_registry_writes_it(versions):
    with pytest.raises(InputError, match="late-arrivals has no version '02'"):
        audit("02")


def test_a_version_that_was_champion_is_listed_with_its_time(versions, capsys):
    promote_by_hand("late-arrivals", "1", "first", "data")
    promote_by_hand("late-arrivals", "2", "better", "data")
    roll_back("late-arrivals", "worse", "data")
    audit(None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("  champion") and lines[2].endswith("  champion 2013-08-01 to 2013-08-01")
