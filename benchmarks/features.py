"""The vocabulary of features against as-of joins: python -m benchmarks.features [COPIES]

The sample is repeated to COPIES (10, or 100 for 34 million flights) times its 336,776 flights. Each way builds the same
features from the same files in a process of its own, on one core; its CPU seconds, its peak memory, and whether all
values are the same. Then what one row costs, alone and in lists.

months    each month with what lies in reach of it, by tasks/features: what the loop does
joins     each month with what lies in reach of it, by as-of joins in polars (benchmarks/joins.py)
polars    all rows at once, by the same joins
pandas    all rows at once with merge_asof: history and weather, 14 of the features
asof      a single join_asof of all rows with the weather: the least that any way must do
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from stack.local_stack import clean_environment, make_workspace

YEAR = timedelta(days=366)
WHOLE = 10  # copies, at most, that are built all at once
ROWS = (1, 10, 100, 1_000)
DAYS = (5, 35)  # of context for one row


def main(copies: int) -> None:
    """Make the files, run each way, compare."""
    ways = [way for way in WAYS if copies <= WHOLE or way in ("months", "joins")]
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder) / "workspace")
        one_core = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
        environment = clean_environment(workspace, **one_core) | {"FOLDER": folder, "COPIES": str(copies)}
        (Path(folder) / "data").mkdir()
        for step in ["repeat", *ways, "compare", "one_row"]:
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
    shifts = [YEAR * copy for copy in range(int(os.environ["COPIES"]))]
    pl.concat(weather.with_columns(pl.col("time_hour") + shift) for shift in shifts).write_parquet(
        folder / "weather.parquet"
    )
    pl.read_parquet(files["planes.parquet"]).write_parquet(folder / "planes.parquet")
    for shift in shifts:
        moved = flights.with_columns(pl.col("time_hour") + shift)
        for (month,), rows in moved.group_by(pl.col("time_hour").dt.strftime("%Y-%m")):
            file = folder / "flights" / f"{month}.parquet"
            old = [pl.read_parquet(file)] if file.exists() else []
            pl.concat([*old, rows]).sort("time_hour", "minute").write_parquet(file)
    print(f"{flights.height * len(shifts):,} flights in {len(list((folder / 'flights').iterdir()))} months")


def read_months(folder: Path) -> Iterator[tuple]:
    """Each month's name and rows, and what lies in reach of it by table."""
    from tasks.core.use_case import load_use_case
    from tasks.data.context import ALWAYS, NEVER, lies_in, reach_of, read_timed_tables
    from tasks.data.reader import months, read_table
    from tasks.data.snapshot import Snapshot

    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.parquet") if "out-" not in str(path)}
    snapshot, use_case = Snapshot("repeated", files), load_use_case("late-arrivals")
    planes = read_table(snapshot, use_case, "planes", ALWAYS, NEVER)
    for span, near in read_timed_tables(snapshot, use_case, months(snapshot, use_case)):
        flights = read_table(snapshot, use_case, "flights", *reach_of(use_case, span))
        rows = flights.filter(lies_in(use_case.event_time, span))
        yield f"{span[0]:%Y-%m}", use_case, rows, near | {"flights": flights, "planes": planes}


def by_months(folder: Path) -> None:
    """Each month by the vocabulary."""
    from tasks.features.index import Index

    (folder / "out-months").mkdir()
    for month, use_case, rows, tables in read_months(folder):
        features = use_case.build_features(rows, Index(use_case.tables, tables))
        features.write_parquet(folder / "out-months" / f"{month}.parquet")


def by_joins(folder: Path) -> None:
    """Each month by as-of joins."""
    from benchmarks.joins import build_features

    (folder / "out-joins").mkdir()
    for month, _, rows, tables in read_months(folder):
        build_features(rows, tables).write_parquet(folder / "out-joins" / f"{month}.parquet")


def by_polars(folder: Path) -> None:
    """All rows at once by as-of joins."""
    import polars as pl

    from benchmarks.joins import build_features

    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in ("weather", "planes")}
    flights = pl.read_parquet(folder / "flights" / "*.parquet")
    (folder / "out-polars").mkdir()
    build_features(flights, tables | {"flights": flights}).write_parquet(folder / "out-polars" / "all.parquet")


def by_asof(folder: Path) -> None:
    """The newest weather of all rows."""
    import polars as pl

    from benchmarks.joins import before

    flights = pl.read_parquet(folder / "flights" / "*.parquet")
    weather = pl.read_parquet(folder / "weather.parquet").sort("time_hour").rename({"time_hour": "known_at"})
    at = pl.col("time_hour") + pl.duration(minutes=pl.col("minute"))
    before(flights.with_columns(at=at), weather, ["origin"])


def by_pandas(folder: Path) -> None:
    """All rows at once with merge_asof of pandas: history and weather, 14 of the features."""
    import numpy as np
    import pandas as pd

    from benchmarks.joins import HISTORY, WEATHER

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
    (folder / "out-pandas").mkdir()
    out.astype("float32").to_parquet(folder / "out-pandas" / "all.parquet", index=False)


WAYS: dict[str, Callable[[Path], None]] = {
    "months": by_months,
    "joins": by_joins,
    "polars": by_polars,
    "pandas": by_pandas,
    "asof": by_asof,
}


def compare(folder: Path) -> None:
    """Whether all ways gave the same values, and what they cost."""
    import polars as pl

    def made(way: str) -> pl.LazyFrame:
        return pl.scan_parquet(folder / f"out-{way}" / "*.parquet")

    same = all(
        pl.read_parquet(file).equals(pl.read_parquet(folder / "out-joins" / file.name))
        for file in sorted((folder / "out-months").glob("*.parquet"))
    )
    print(f"months and joins give the same values, to the bit: {same}")
    if (folder / "out-polars").exists():
        print(
            "months and polars give the same values, to the bit:",
            made("months").collect().equals(made("polars").collect()),
        )
        pandas = made("pandas").select(pl.all().fill_nan(None)).collect()
        whole = made("polars").select(pandas.columns).collect()
        far = pl.DataFrame({c: (whole[c] - pandas[c]).abs().max() for c in pandas.columns}).max_horizontal().item()
        nulls = whole.null_count().equals(pandas.null_count())
        print(
            f"polars and pandas on their {len(pandas.columns)} shared columns: farthest {far:.1e}, nulls alike: {nulls}"
        )
    cost = {
        way: [float(x) for x in file.read_text().split()] for way in WAYS if (file := folder / f"{way}.cost").exists()
    }
    for way, (cpu, wall, peak) in cost.items():
        ratio = cpu / cost["joins"][0]
        print(f"{way:<8} CPU {cpu:6.1f} s   ratio to joins {ratio:4.2f}   wall {wall:6.1f} s   peak {peak:5.2f} GB")


def one_row(folder: Path) -> None:
    """What the index of a context and the features of some rows cost, beside the joins."""
    from benchmarks.joins import build_features
    from tasks.features.index import Index

    _, use_case, rows, tables = next(months for number, months in enumerate(read_months(folder)) if number == 5)
    rows, end = rows.drop(use_case.predicted.outcomes), rows.select(use_case.event_time.max()).item()
    times = {"flights": use_case.event_time, "weather": use_case.tables["weather"].row_known_at}
    for days in DAYS:
        near = {name: tables[name].filter(time > end - timedelta(days=days)) for name, time in times.items()}
        near["planes"] = tables["planes"]
        first = cpu_ms(lambda near=near: use_case.build_features(rows.tail(1), Index(use_case.tables, near)), 20)
        index = Index(use_case.tables, near)
        spent = [cpu_ms(lambda n=n, index=index: use_case.build_features(rows.tail(n), index), 200) for n in ROWS]
        told = ", ".join(f"{n:,} rows {ms:.2f}" for n, ms in zip(ROWS, spent, strict=True))
        print(f"context of {days} days: index and first row {first:.1f} ms CPU; then {told}")
        joins = cpu_ms(lambda near=near: build_features(rows.tail(1), near), 20)
        print(f"  the same row by joins {joins:.1f} ms CPU: {joins / spent[0]:.0f} times as much")
    index, last = Index(use_case.tables, tables), rows.tail(10_000)
    together = use_case.build_features(last, index)
    singly = [use_case.build_features(row, index).row(0) for row in last.iter_slices(1)]
    print(f"10,000 rows singly and in a list give the same values, to the bit: {together.rows() == singly}")


def cpu_ms(call: Callable[[], object], times: int) -> float:
    """Milliseconds of CPU time of a call."""
    call()
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times * 1e3


def measured(way: str, folder: Path) -> None:
    """Run a way and note CPU seconds (imports aside), wall seconds, and peak memory in GB."""
    import polars  # noqa: F401

    import tasks.data.feature_frame  # noqa: F401

    used, start = time.process_time(), time.perf_counter()
    WAYS[way](folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    cost = f"{time.process_time() - used} {time.perf_counter() - start} {peak}"
    (folder / f"{way}.cost").write_text(cost)


if __name__ == "__main__":
    step = sys.argv[1] if sys.argv[1:] else "10"
    if step.isdigit():
        main(int(step))
    elif step in WAYS:
        measured(step, Path(os.environ["FOLDER"]) / "data")
    else:
        {"repeat": repeat, "compare": compare, "one_row": one_row}[step](Path(os.environ["FOLDER"]) / "data")
