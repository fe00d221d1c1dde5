"""What is in quarantine can be looked at, and dismissed with a reason."""

from datetime import UTC, datetime

import polars as pl
import pytest

from flows.quarantine import quarantine
from tasks.core.errors import InputError
from tasks.core.use_case import load_tables
from tasks.data.ledger import read_current_ledger
from tasks.data.quarantine import FOUND, BadFile, quarantine_files, quarantine_found, read_quarantine


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
        ({"rule": "year|min"}, " \t\x01", "say why they need no mend"),
        ({"file": "no.csv"}, "why", "nothing in quarantine fits"),
    ],
)
def test_nothing_is_dismissed_without_a_choice_and_a_reason(chosen, reason, sentence, capsys):
    with pytest.raises(InputError, match=sentence):
        quarantine(**chosen, dismiss_as=reason)
    quarantine()
    assert capsys.readouterr().out.count("1 row ") == 2


def test_the_list_says_what_is_wrong_and_shows_it_first(capsys):
    rows = pl.DataFrame({"tailnum": ["N3"], "seats": [2], "speed": [70], "year": [1066]})
    quarantine_found("planes", rows.with_columns(broken_rules=pl.Series([["year|min", "its_own_rule"]])))
    quarantine()
    listed = capsys.readouterr().out
    assert 'year|min (is less than 1900), its_own_rule  {"year": 1066, "tailnum": "N3", "seats": 2' in listed
    quarantine(rule="its_own_rule")
    assert "row 0: year|min (is less than 1900), its_own_rule\n" in capsys.readouterr().out


def test_a_row_of_a_table_that_is_gone_is_still_listed(capsys):
    quarantine_found("ships", pl.DataFrame({"tons": [1]}).with_columns(broken_rules=pl.Series([["tons|min"]])))
    quarantine()
    listed = capsys.readouterr().out
    assert "tons|min (is less than its bound)" in listed and '{"tons": 1}' in listed


def test_what_was_dismissed_is_no_longer_listed(capsys):
    quarantine(rule="year|min", dismiss_as="a glider")
    assert capsys.readouterr().out.startswith("1 entry dismissed")
    quarantine(file=FOUND)
    listed = capsys.readouterr().out
    assert "seats|max" in listed and "year|min" not in listed


def test_a_rule_dismisses_rows_and_no_file_whose_reason_names_it(capsys):
    arrived_at = datetime(2024, 1, 1, tzinfo=UTC)
    quarantine_files(
        [BadFile("planes", "0" * 32, "planes/a.csv", arrived_at, "9 of 9 rows break the contract: year|min")]
    )
    quarantine(rule="year|min", dismiss_as="gliders")
    assert capsys.readouterr().out.startswith("1 entry dismissed")
    assert "planes/a.csv" in read_quarantine(read_current_ledger())["file"].to_list()
    quarantine(file="planes/a.csv", dismiss_as="a test of the sender")
    assert "planes/a.csv" not in read_quarantine(read_current_ledger())["file"].to_list()
