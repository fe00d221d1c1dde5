"""Where a version comes from: a chain for one, a line for each."""

import json
from datetime import UTC, datetime

import pytest

from flows.audit import audit
from tasks.core.errors import InputError
from tasks.registry.promotion import move_pointer


def test_without_a_version_on_record_it_says_how_to_make_one(store, capsys):
    audit(None)
    assert capsys.readouterr().out == "no version yet: python -m flows.train makes the first\n"


def test_the_champion_is_named_in_the_list(versions, capsys):
    move_pointer("promotion", "late-arrivals", "2", None, datetime(2013, 6, 1, tzinfo=UTC), "better")
    audit(None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "version 1    as of 2013-04-01  promote  by Ada",
        "version 2    as of 2013-06-01  promote  by Ada  champion",
    ]
    audit(None, as_json=True)
    assert [found["now"] for found in json.loads(capsys.readouterr().out)] == ["", "champion", ""]


def test_a_version_is_named_as_the_registry_writes_it(versions):
    with pytest.raises(InputError, match="late-arrivals has no version '02'"):
        audit("02")
