"""Hourly weather at New York's airports: how warm will it be 24 hours later?"""

import dataframely as dy
import polars as pl


class Weather(dy.Schema):
    """One observation; temp_next is null until the next day's is known."""

    time_hour = dy.Datetime(time_zone="UTC", primary_key=True)
    origin = dy.String(primary_key=True)
    temp = dy.Float32(nullable=True, min=-60, max=140)  # Fahrenheit
    dewp = dy.Float32(nullable=True, min=-100, max=100)  # Fahrenheit
    wind_speed = dy.Float32(nullable=True, min=0, max=150)  # mph
    pressure = dy.Float32(nullable=True, min=870, max=1085)  # millibars
    temp_next = dy.Float32(nullable=True, min=-60, max=140)  # Fahrenheit


TABLES: dict[str, type[dy.Schema]] = {"weather": Weather}
ROWS = "weather"
KEY = Weather.primary_key()
EVENT_TIME = pl.col("time_hour")
PREDICTION_TIME = EVENT_TIME + pl.duration(hours=1)
TARGET = pl.col("temp_next")
WATCHED: dict[str, pl.Expr] = {}
KNOWN_AT = {"weather": EVENT_TIME + pl.duration(hours=25)}
