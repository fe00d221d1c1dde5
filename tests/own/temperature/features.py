"""The features: the present observation, earlier ones of the place, and the clock."""

from tasks.features.known import Known, Rows


def features(rows: Rows, known: Known) -> dict:
    """Season, time of day, the present weather, and lags and means of the days before."""
    here, time = known.weather.by("origin"), rows["time_hour"].dt
    return {
        "origin": rows["origin"],
        "hour": time.hour(),
        "day": time.ordinal_day(),
        **{name: rows[name] for name in ("temp", "dewp", "wind_speed", "pressure")},
        **{f"temp_lag_{hours}": here.newest("temp", within="48h", nth=hours) for hours in (1, 3, 24)},
        **{f"temp_mean_{window}": here.last(window).mean("temp") for window in ("6h", "24h", "7d")},
        "next_error": here.newest("temp_next", within="48h") - rows["temp"],
    }
