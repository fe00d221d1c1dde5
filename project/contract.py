"""What a valid row of each table is, and when it became known. Swap this for your own data."""

import dataframely as dy
import polars as pl

from tasks.features.table import Table

AIRPORT = r"^[A-Z]{3}$"
NEW_YORK = r"^(EWR|JFK|LGA)$"


class Flights(dy.Schema):
    """One scheduled departure from New York; the outcome columns are null until (and unless) it lands."""

    time_hour = dy.Datetime(time_zone="UTC", primary_key=True)  # scheduled departure, whole hour
    minute = dy.Int16(primary_key=True, min=0, max=59)
    carrier = dy.String(primary_key=True, regex=r"^[A-Z0-9]{2}$")
    flight = dy.Int16(primary_key=True, min=1)
    origin = dy.String(primary_key=True, regex=NEW_YORK)
    dest = dy.String(regex=AIRPORT)
    tailnum = dy.String(nullable=True, max_length=8)
    distance = dy.Int16(min=1, max=10_000)  # miles
    year = dy.Int16(min=1987, max=2100)  # local date and hour of the scheduled departure
    month = dy.Int16(min=1, max=12)
    day = dy.Int16(min=1, max=31)
    hour = dy.Int16(min=0, max=23)
    sched_arr_time = dy.Int16(min=0, max=2400)  # hhmm, local at the destination
    dep_delay = dy.Int16(nullable=True, min=-120, max=2 * 1440)  # minutes
    arr_delay = dy.Int16(nullable=True, min=-180, max=2 * 1440)  # minutes
    air_time = dy.Int16(nullable=True, min=5, max=1200)  # minutes

    @dy.rule()
    def local_date_exists(cls) -> pl.Expr:
        return (
            pl.concat_str("year", pl.lit("-"), "month", pl.lit("-"), "day")
            .str.to_date("%Y-%m-%d", strict=False)
            .is_not_null()
        )

    @dy.rule()
    def time_is_a_whole_hour(cls) -> pl.Expr:
        return pl.col("time_hour").dt.truncate("1h") == pl.col("time_hour")

    @dy.rule()
    def landed_flights_have_both_outcomes(cls) -> pl.Expr:
        return pl.col("arr_delay").is_null() == pl.col("air_time").is_null()

    @dy.rule()
    def landed_flights_departed(cls) -> pl.Expr:
        return pl.col("arr_delay").is_null() | pl.col("dep_delay").is_not_null()


class Weather(dy.Schema):
    """Hourly observations at the three airports, taken up to 51 minutes past the hour."""

    time_hour = dy.Datetime(time_zone="UTC", primary_key=True)
    origin = dy.String(primary_key=True, regex=NEW_YORK)
    temp = dy.Float32(nullable=True, min=-60, max=140)  # Fahrenheit
    dewp = dy.Float32(nullable=True, min=-100, max=100)  # Fahrenheit
    humid = dy.Float32(nullable=True, min=0, max=100)  # percent
    wind_dir = dy.Int16(nullable=True, min=0, max=360)  # degrees
    wind_speed = dy.Float32(nullable=True, min=0, max=150)  # mph
    wind_gust = dy.Float32(nullable=True, min=0, max=200)  # mph
    precip = dy.Float32(nullable=True, min=0, max=10)  # inches
    pressure = dy.Float32(nullable=True, min=870, max=1085)  # millibars
    visib = dy.Float32(nullable=True, min=0, max=100)  # miles


class Planes(dy.Schema):
    """The aircraft register."""

    tailnum = dy.String(primary_key=True, max_length=8)
    year = dy.Int16(nullable=True, min=1900, max=2100)  # of manufacture


SCHEDULED = pl.col("time_hour") + pl.duration(minutes=pl.col("minute"))  # departure

# Every table of data/: one file NAME.parquet, or a folder NAME/ of monthly (UTC) files.
TABLES = {
    "flights": Table(
        schema=Flights,
        event_time=SCHEDULED,
        outcomes=["dep_delay", "arr_delay", "air_time"],
        outcomes_known_at=SCHEDULED + pl.duration(minutes=pl.col("dep_delay").cast(int) + pl.col("air_time") + 60),
    ),
    "weather": Table(schema=Weather, known_at=pl.col("time_hour") + pl.duration(hours=1)),
    "planes": Table(schema=Planes),
}
