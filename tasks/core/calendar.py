"""Days and moments of no calendar, such as infinity of a database: Python has no value for them; told as text."""

import polars as pl

CALENDAR = (-719_162, 2_932_896)  # days from 1970 of the years 1 to 9999
IN_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def spell_out_endless(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows; a column of days or moments of which some are of no calendar as text."""
    days = rows.select(pl.selectors.datetime() | pl.selectors.date())
    return rows.with_columns(spell_out(column) for column in days if not in_calendar(column).all())


def in_calendar(times: pl.Series) -> pl.Series:
    """True for null and for the years 1 to 9999; of much else, such as infinity of a database, polars panics."""
    days = times.to_physical() // (IN_A_DAY[times.dtype.time_unit] if isinstance(times.dtype, pl.Datetime) else 1)
    return days.is_between(*CALENDAR).fill_null(True)


def spell_out(times: pl.Series) -> pl.Series:
    """Times as text; those of no calendar as the number that stands for them."""
    held = times.to_frame().select(pl.when(in_calendar(times)).then(pl.col(times.name))).to_series()
    if isinstance(times.dtype, pl.Datetime):
        held = held.dt.cast_time_unit("us")
    return held.dt.to_string("iso:strict").fill_null(times.to_physical().cast(pl.String))
