"""What is in quarantine can be looked at, and dismissed with a reason."""

import polars as pl
import pytest

from flows.quarantine import quarantine
from tasks.core.errors import InputError
from tasks.core.use_case import load_tables
from tasks.data.quarantine import FOUND, quarantine_found


@pytest.fixture(autouse=True)
def entries(own_workspace):
    """Two rows that broke a rule each."""
    rows = load_tables()["planes"].empty.select("tailnum")
    rows = rows.vstack(pl.DataFrame({"tailnum": ["N1", "N2"]}, rows.schema))
    quarantine_found("planes", rows.with_columns(broken_rules=pl.Series([["year|min"], ["seats|max"]])))


@pytest.mark.parametrize(
    ("chosen", "reason", "sentence"),
    [
        ({}, "why", "say what to dismiss: --rule RULE or --file FILE"),
        ({"rule": "year|min"}, "  ", "say why they need no mend"),
        ({"file": "no.csv"}, "why", "nothing in quarantine fits"),
    ],
)
def test_nothing_is_dismissed_without_a_choice_and_a_reason(chosen, reason, sentence, capsys):
    with pytest.raises(InputError, match=sentence):
        quarantine(**chosen, dismiss_as=reason)
    quarantine()
    assert capsys.readouterr().out.count("1 row ") == 2


def test_what_was_dismissed_is_no_longer_listed(capsys):
    quarantine(rule="year|min", dismiss_as="a glider")
    assert capsys.readouterr().out.startswith("1 entry dismissed")
    quarantine(file=FOUND)
    listed = capsys.readouterr().out
    assert "seats|max" in listed and "year|min" not in listed
