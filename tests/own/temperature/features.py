"""The features: what the observation itself says."""

from datetime import timedelta

import polars as pl

LOOKBACK = timedelta(0)


def build_features(rows: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Season, time of day and the present weather."""
    clock = {"hour": pl.col("time_hour").dt.hour(), "day": pl.col("time_hour").dt.ordinal_day()}
    features = rows.select("origin", "temp", "dewp", "wind_speed", "pressure", **clock)
    return features.cast({pl.selectors.numeric(): pl.Float32})
