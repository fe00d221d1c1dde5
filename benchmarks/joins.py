"""The sample's features by as-of joins, as one would write them without tasks/features: what it is measured against."""

from datetime import timedelta

import polars as pl

from project.contract import TABLES
from project.late_arrivals.target import PREDICTION_TIME

# An observation older than this says nothing about the weather now.
WEATHER_AGE = timedelta(hours=6)
WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]

# Late arrivals known in the window before the prediction time, by key.
HISTORY = {
    "origin_3h": (["origin"], "3h"),
    "carrier_24h": (["origin", "carrier"], "24h"),
    "dest_24h": (["dest"], "24h"),
    "tail_24h": (["tailnum"], "24h"),
}


def build_features(rows: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The features of `rows`, in their order.

    Args:
        rows: Rows of the flights table, outcomes not needed.
        tables: Valid rows of every table, from long enough before the first of `rows` on.

    Returns:
        One row for each of `rows`; String and Float32 columns.
    """
    asked = rows.with_columns(at=PREDICTION_TIME).with_row_index("row")
    landed = (
        tables["flights"]
        .with_columns(known_at=TABLES["flights"].outcomes_known_at)
        .drop_nulls("known_at")
        .sort("known_at")
    )
    features = (
        asked.select("row", "carrier", "origin", "dest", "distance", **calendar())
        .join(plane(asked, tables["planes"]), on="row")
        .join(weather(asked, tables["weather"]), on="row")
        .join(last_delay(asked, landed), on="row")
    )
    for name, (key, window) in HISTORY.items():
        features = features.join(history(asked, landed, name, key, window), on="row")
    return features.sort("row").drop("row").cast({pl.selectors.numeric(): pl.Float32})


def calendar() -> dict[str, pl.Expr]:
    """Local clock and weekday of the scheduled departure, and the scheduled minutes to arrival on local clocks."""
    departure = pl.col("hour").cast(int) * 60 + pl.col("minute")
    arrival = pl.col("sched_arr_time").cast(int) // 100 * 60 + pl.col("sched_arr_time").cast(int) % 100
    return {
        "minute_of_day": departure,
        "weekday": pl.date("year", "month", "day").dt.weekday(),
        "scheduled_minutes": (arrival - departure) % 1440,
    }


def plane(asked: pl.DataFrame, planes: pl.DataFrame) -> pl.DataFrame:
    """Age of the aircraft in years; null where the register does not hold it."""
    known = asked.join(planes.select("tailnum", made="year"), on="tailnum", how="left")
    return known.select("row", plane_age=pl.col("year") - pl.col("made"))


def weather(asked: pl.DataFrame, observed: pl.DataFrame) -> pl.DataFrame:
    """The newest observation at the origin that was known before the prediction time."""
    observed = observed.select("origin", *WEATHER, known_at=TABLES["weather"].known_at).sort("known_at")
    return before(asked, observed, ["origin"], tolerance=WEATHER_AGE).select("row", *WEATHER)


def last_delay(asked: pl.DataFrame, landed: pl.DataFrame) -> pl.DataFrame:
    """The aircraft's last known arrival delay and its age in hours, if not older than 48 hours."""
    last = landed.select("tailnum", "known_at", last_delay="arr_delay", landed_at="known_at")
    age = (pl.col("at") - pl.col("landed_at")).dt.total_minutes() / 60
    return before(asked, last, ["tailnum"], tolerance=timedelta(hours=48)).select(
        "row", "last_delay", last_delay_age=age
    )


def history(asked: pl.DataFrame, landed: pl.DataFrame, name: str, key: list[str], window: str) -> pl.DataFrame:
    """Share of late arrivals and mean delay known in the window before the prediction time.

    Sums up to its end less sums up to its start: whole numbers, so exact in whatever pieces they are built.
    """
    sums = landed.select(
        *key,
        "known_at",
        n=pl.int_range(1, pl.len() + 1).over(key),
        late=(pl.col("arr_delay") >= 15).cast(int).cum_sum().over(key),
        delay=pl.col("arr_delay").cast(int).cum_sum().over(key),
    )
    start = sums.with_columns(pl.col("known_at").dt.offset_by(window))
    both = before(before(asked, sums, key), start, key, suffix="_start")
    inside = {c: pl.col(c).fill_null(0) - pl.col(f"{c}_start").fill_null(0) for c in ("n", "late", "delay")}
    some = pl.when(pl.col("n") > 0)
    return both.select("row", **inside).select(
        "row",
        some.then(pl.col("late") / pl.col("n")).alias(f"{name}_late"),
        some.then(pl.col("delay") / pl.col("n")).alias(f"{name}_delay"),
    )


def before(
    asked: pl.DataFrame,
    known: pl.DataFrame,
    key: list[str],
    suffix: str = "",
    tolerance: timedelta | None = None,
) -> pl.DataFrame:
    """Each asked row with the newest known row of its key that became known strictly before its prediction time."""
    columns = [c for c in known.columns if c not in (*key, "known_at")]
    return asked.sort("at").join_asof(
        known.rename({c: f"{c}{suffix}" for c in columns}).rename({"known_at": f"known_at{suffix}"}),
        left_on="at",
        right_on=f"known_at{suffix}",
        by=key,
        strategy="backward",
        allow_exact_matches=False,
        tolerance=tolerance,
        check_sortedness=False,
    )
