"""What is predicted: will a flight arrive 15 minutes late or more, asked two hours before it is scheduled to leave?"""

import polars as pl

from project.contract import SCHEDULED

ROWS = "flights"  # the table whose rows are predicted
PREDICTION_TIME = SCHEDULED - pl.duration(hours=2)  # when a row's prediction is asked for
TARGET = pl.col("arr_delay") >= 15  # null: cancelled, diverted, or not yet landed

# What a drift check watches beside the features; over all rows of a month, outcomes or not.
WATCHED = {"flights_of_hour": pl.len().over("origin", "time_hour").cast(pl.Float32)}
