"""Days and moments that no calendar has, such as infinity of a database: polars panics of some, a run does not."""

from datetime import UTC, datetime

import dataframely as dy
import polars as pl
import pytest

from tasks.core.errors import DataError
from tasks.core.params import Params
from tasks.data.formats import Raw
from tasks.data.sources.fit import fit_columns
from tasks.data.validation import validate_rows
from tasks.features.table import Table

INFINITY = 2**31 - 1  # as PostgreSQL tells an endless date


class Loans(dy.Schema):
    """One loan, due on a day or never."""

    id = dy.Int64(primary_key=True)
    due = dy.Date(primary_key=True)
    asked = dy.Datetime(time_zone="UTC")
    sum = dy.Int64(max=100)


def make_loans(rows: int, due: int, sum: int = 1) -> pl.DataFrame:
    """Loans that are due on a day of that number."""
    days = pl.Series([due] * rows, dtype=pl.Int32).cast(pl.Date)
    asked = [datetime(2024, 1, 1, tzinfo=UTC)] * rows
    return pl.DataFrame({"id": range(rows), "due": days, "asked": asked, "sum": [sum] * rows})


@pytest.mark.parametrize(("day", "told"), [(INFINITY, str(INFINITY)), (0, "1970-01-01"), (2_932_897, "2932897")])
def test_a_bad_row_with_an_endless_day_is_an_example_of_its_sentence(day, told):
    tables = {"loans": Table(schema=Loans)}
    with pytest.raises(DataError, match=rf"sum\|max \(900 rows\); for example id=0, due={told}, sum=900"):
        validate_rows(tables, "loans", make_loans(900, day, sum=900), Params.load().validation)


@pytest.mark.parametrize(("day", "shown"), [(INFINITY, str(INFINITY)), (2_932_896, "9999-12-31")])
def test_an_endless_day_of_a_source_is_shown_as_its_number(day, shown):
    fits = fit_columns(Raw(make_loans(3, day), frozenset()), Table(schema=Loans), None)
    assert [(fit.example, fit.fit) for fit in fits if fit.column == "due"] == [(shown, "ok")]
