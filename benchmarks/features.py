"""Months with their lookback against the whole frame at once: python -m benchmarks.features

The sample is repeated to 3.4 million flights. Each way builds the same features from the same files in a process of its
own, on one core; its CPU seconds, its peak memory, and whether all values are the same.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from stack.local_stack import clean_environment, make_workspace

COPIES = 10
YEAR = timedelta(days=366)
WAYS = ["months", "polars", "pandas"]


def main() -> None:
    """Make the files, run each way, compare."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder) / "workspace")
        one_core = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
        environment = clean_environment(workspace, **one_core) | {"FOLDER": folder}
        for step in ["repeat", *WAYS, "compare"]:
            subprocess.run([sys.executable, "-m", "benchmarks.features", step], env=environment, check=True)


def repeat(folder: Path) -> None:
    """Write the sample COPIES times, each a year later, as monthly files."""
    import polars as pl

    from tasks.core.params import Params
    from tasks.data.snapshot import pull_snapshot

    files = pull_snapshot.fn(None, Params.load().data).files
    (folder / "flights").mkdir()
    flights = pl.concat(pl.read_parquet(path) for name, path in files.items() if name.startswith("flights/"))
    weather = pl.read_parquet(files["weather.parquet"])
    shifts = [YEAR * copy for copy in range(COPIES)]
    pl.concat(weather.with_columns(pl.col("time_hour") + shift) for shift in shifts).write_parquet(
        folder / "weather.parquet"
    )
    pl.read_parquet(files["planes.parquet"]).write_parquet(folder / "planes.parquet")
    everything = pl.concat(flights.with_columns(pl.col("time_hour") + shift) for shift in shifts)
    for (month,), rows in everything.group_by(pl.col("time_hour").dt.strftime("%Y-%m")):
        rows.sort("time_hour", "minute").write_parquet(folder / "flights" / f"{month}.parquet")
    print(f"{everything.height:,} flights in {len(list((folder / 'flights').iterdir()))} months, {COPIES} copies")


def by_months(folder: Path) -> None:
    """Each month from its own rows and LOOKBACK before them, as tasks/data/feature_frame.py does."""

    from tasks.core.use_case import load_use_case
    from tasks.data.feature_frame import ALWAYS, NEVER, in_reach
    from tasks.data.reader import months, read_table
    from tasks.data.snapshot import Snapshot

    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.parquet")}
    snapshot, use_case = Snapshot("repeated", files), load_use_case("late-arrivals")
    planes, weather = (read_table(snapshot, use_case, name, ALWAYS, NEVER, NEVER) for name in ("planes", "weather"))
    out = folder / "out-months"
    out.mkdir()
    for span in months(snapshot, use_case):
        flights = read_table(snapshot, use_case, "flights", span[0] - use_case.lookback, span[1], NEVER)
        near = weather.filter(in_reach(use_case, use_case.known_at["weather"], span))
        current = flights.filter(use_case.event_time >= span[0])
        features = use_case.build_features(current, {"flights": flights, "weather": near, "planes": planes})
        features.write_parquet(out / f"{span[0]:%Y-%m}.parquet")


def by_polars(folder: Path) -> None:
    """All rows at once."""
    import polars as pl

    from project.late_arrivals.features import build_features

    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in ("weather", "planes")}
    flights = pl.read_parquet(folder / "flights" / "*.parquet")
    build_features(flights, tables | {"flights": flights}).write_parquet(folder / "polars.parquet")


def by_pandas(folder: Path) -> None:
    """All rows at once with merge_asof of pandas: history and weather, 14 of the features."""
    import numpy as np
    import pandas as pd

    from project.late_arrivals.features import HISTORY, WEATHER

    files = sorted((folder / "flights").glob("*.parquet"))
    flights = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    event = flights["time_hour"] + pd.to_timedelta(flights["minute"].astype("int64"), unit="min")
    minutes = flights["dep_delay"].astype("float64") + flights["air_time"].astype("float64") + 60
    flights["known_at"] = event + pd.to_timedelta(minutes, unit="min")
    asked = flights.assign(at=event - pd.Timedelta(hours=2), row=np.arange(len(flights))).sort_values("at")
    landed = flights.dropna(subset="known_at").sort_values("known_at", kind="stable")
    out = pd.DataFrame({"row": asked["row"]})
    for name, (key, window) in HISTORY.items():
        groups = landed.groupby(key, sort=False, dropna=False)["arr_delay"]
        late = (landed["arr_delay"] >= 15).groupby([landed[column] for column in key], sort=False, dropna=False)
        sums = landed[[*key, "known_at"]].assign(
            n=groups.cumcount() + 1, late=late.cumsum(), delay=groups.cumsum().astype("float64")
        )
        known = asked[asked[key].notna().all(axis=1)][[*key, "at", "row"]]
        back = {"by": key, "left_on": "at", "right_on": "known_at", "allow_exact_matches": False}
        start = sums.assign(known_at=sums["known_at"] + pd.Timedelta(window))
        both = (pd.merge_asof(known, part, **back)[["n", "late", "delay"]].fillna(0) for part in (sums, start))
        inside = next(both) - next(both)
        some = inside["n"].where(inside["n"] > 0)
        shares = pd.DataFrame({f"{name}_{c}": inside[c] / some for c in ("late", "delay")})
        out = out.merge(shares.assign(row=known["row"].to_numpy()), on="row", how="left")
    observed = pd.read_parquet(folder / "weather.parquet")
    observed["known_at"] = observed["time_hour"] + pd.Timedelta(hours=1)
    observed = observed[["origin", "known_at", *WEATHER]].sort_values("known_at")
    back = {"by": "origin", "left_on": "at", "right_on": "known_at", "allow_exact_matches": False}
    weather = pd.merge_asof(asked[["origin", "at", "row"]], observed, tolerance=pd.Timedelta(hours=6), **back)
    out = out.merge(weather[["row", *WEATHER]], on="row").sort_values("row").drop(columns="row")
    out.astype("float32").to_parquet(folder / "pandas.parquet", index=False)


def compare(folder: Path) -> None:
    """Whether all ways gave the same values, and what they cost."""
    import polars as pl

    whole = pl.scan_parquet(folder / "polars.parquet")
    months = pl.scan_parquet(folder / "out-months" / "*.parquet")
    pandas = pl.scan_parquet(folder / "pandas.parquet").select(pl.all().fill_nan(None))
    shared = pandas.collect_schema().names()
    print("months and polars give the same values:", whole.collect().equals(months.collect()))
    left, right = whole.select(shared).collect(), pandas.collect()
    far = pl.DataFrame({c: (left[c] - right[c]).abs().max() for c in shared}).max_horizontal().item()
    nulls = left.null_count().equals(right.null_count())
    print(f"polars and pandas on their {len(shared)} shared columns: farthest {far:.1e}, nulls alike: {nulls}")
    cost = {way: [float(x) for x in (folder / f"{way}.cost").read_text().split()] for way in WAYS}
    for way, (cpu, wall, peak) in cost.items():
        ratio = cpu / cost["polars"][0]
        print(f"{way:<8} CPU {cpu:6.1f} s   ratio to polars {ratio:4.2f}   wall {wall:6.1f} s   peak {peak:5.2f} GB")


def measured(way: str, folder: Path) -> None:
    """Run a way and note CPU seconds (imports aside), wall seconds, and peak memory in GB."""
    import polars  # noqa: F401

    import tasks.data.feature_frame  # noqa: F401

    used, start = time.process_time(), time.perf_counter()
    {"months": by_months, "polars": by_polars, "pandas": by_pandas}[way](folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    cost = f"{time.process_time() - used} {time.perf_counter() - start} {peak}"
    (folder / f"{way}.cost").write_text(cost)


if __name__ == "__main__":
    step = sys.argv[1] if sys.argv[1:] else ""
    if not step:
        main()
    elif step in WAYS:
        measured(step, Path(os.environ["FOLDER"]) / "data")
    else:
        (folder := Path(os.environ["FOLDER"]) / "data").mkdir(exist_ok=True)
        {"repeat": repeat, "compare": compare}[step](folder)
