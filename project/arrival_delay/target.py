"""What is predicted: how many minutes late will a flight arrive, asked two hours before it is scheduled to leave?"""

import polars as pl

from project.contract import SCHEDULED

ROWS = "flights"
PREDICTION_TIME = SCHEDULED - pl.duration(hours=2)
TARGET = pl.col("arr_delay")  # minutes, below 0 where early; null: cancelled, diverted, or not yet landed
