"""Hourly weather at New York's airports, each row with the temperature 24 hours later."""

import dataframely as dy
import polars as pl

from tasks.features.table import Table


class Weather(dy.Schema):
    """One observation; temp_next is null until the next day's is known."""

    time_hour = dy.Datetime(time_zone="UTC", primary_key=True)
    origin = dy.String(primary_key=True)
    temp = dy.Float32(nullable=True, min=-60, max=140)  # Fahrenheit
    dewp = dy.Float32(nullable=True, min=-100, max=100)  # Fahrenheit
    wind_speed = dy.Float32(nullable=True, min=0, max=150)  # mph
    pressure = dy.Float32(nullable=True, min=870, max=1085)  # millibars
    temp_next = dy.Float32(nullable=True, min=-60, max=140)  # Fahrenheit


TABLES = {
    "weather": Table(
        schema=Weather,
        event_time=pl.col("time_hour"),
        known_at=pl.col("time_hour") + pl.duration(hours=1),
        outcomes=["temp_next"],
        outcomes_known_at=pl.col("time_hour") + pl.duration(hours=25),
    )
}
