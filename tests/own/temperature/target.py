"""How warm will it be 24 hours later?"""

import polars as pl

ROWS = "weather"
PREDICTION_TIME = pl.col("time_hour") + pl.duration(hours=1)
TARGET = pl.col("temp_next")
WATCHED: dict[str, pl.Expr] = {}
