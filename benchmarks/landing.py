"""What checking landed rows costs, beside pandera.

    uv run --no-project --python .venv/bin/python --with pandera python -m benchmarks.landing

A million rows of which one in a hundred is bad: read from a parquet file, checked, and the bad ones written to the
quarantine, beside pandera's lazy validation of the same rules, which leaves double keys in and writes nothing. Then a
month of flights from landing to a pushed version, and the cost of files that are known already.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from stack.local_stack import make_workspace

ROWS, BAD, ROUNDS, FILES = 1_000_000, 100, 5, 500_000


def main() -> None:
    """Measure in a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKSPACE"] = str(make_workspace(Path(folder) / "workspace"))
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
        measure_rows()
        measure_month(Path(folder))
        measure_known_files()


def make_rows() -> pl.DataFrame:
    """Flights of which some are too far."""
    from odd_files import make_rows as make

    rows = pl.concat([make(0)] * (ROWS // 20)).with_columns(
        flight=(pl.int_range(pl.len()) % 9_000 + 1).cast(pl.Int16),
        time_hour=pl.col("time_hour") + pl.duration(hours=pl.int_range(pl.len()) // 9_000),
    )
    far = pl.when(pl.int_range(pl.len()) % BAD == 0).then(-1).otherwise("distance").cast(pl.Int16)
    return rows.with_columns(distance=far)


def measure_rows() -> None:
    """A million rows, ours and pandera's."""
    from odd_files import to_bytes

    from project.contract import TABLES
    from tasks.data.conversion import convert
    from tasks.data.formats import read_raw
    from tasks.data.quarantine import BadFile, quarantine_rows
    from tasks.data.validation import POSITION, check_rows

    content, table = to_bytes(rows := make_rows()), TABLES["flights"]

    def ours(number: int = 0) -> int:
        checked = check_rows(table, "a.parquet", convert(raw, table, "a.parquet").rows.with_row_index(POSITION))
        bad = BadFile("flights", f"{number}", "a.parquet", datetime.now(UTC), "")
        quarantine_rows(bad, raw.rows, checked.quarantined.select(POSITION, "broken_rules"))
        return checked.quarantined.height

    raw = read_raw(content, "a.parquet", table.columns)
    reading = min(cpu_seconds(lambda: read_raw(content, "a.parquet", table.columns)) for _ in range(ROUNDS))
    assert ours() == ROWS // BAD
    mine = min(cpu_seconds(lambda number=number: ours(number + 1)) for number in range(ROUNDS))
    print(f"{ROWS:,} rows read from parquet                    {reading:5.2f} CPU s")
    print(f"checked, {ROWS // BAD:,} of them written to quarantine     {mine:5.2f} CPU s   (bar: .7 s)")
    try:
        theirs = min(cpu_seconds(lambda: check_by_pandera(rows)) for _ in range(ROUNDS))
    except ImportError:
        print("pandera is not installed: see the first line of this file")
        return
    print(f"the same rules by pandera, nothing written      {theirs:5.2f} CPU s   ratio {mine / theirs:.2f}")


def check_by_pandera(rows: pl.DataFrame) -> None:
    """The ranges, patterns, key and rules of flights."""
    import pandera.polars as pa

    numbers = {"minute": (0, 59), "flight": (1, 32_767), "distance": (1, 10_000), "month": (1, 12), "day": (1, 31)}
    numbers |= {"hour": (0, 23), "sched_arr_time": (0, 2400), "year": (1987, 2100)}
    outcomes = {"dep_delay": (-120, 2880), "arr_delay": (-180, 2880), "air_time": (5, 1200)}
    texts = {"carrier": r"^[A-Z0-9]{2}$", "origin": r"^(EWR|JFK|LGA)$", "dest": r"^[A-Z]{3}$"}
    columns = {name: pa.Column(pl.Int16, pa.Check.in_range(*span)) for name, span in numbers.items()}
    columns |= {name: pa.Column(pl.Int16, pa.Check.in_range(*span), nullable=True) for name, span in outcomes.items()}
    columns |= {name: pa.Column(pl.String, pa.Check.str_matches(pattern)) for name, pattern in texts.items()}
    schema = pa.DataFrameSchema(columns, unique=["time_hour", "minute", "carrier", "flight", "origin"])
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as found:
        assert len(found.failure_cases)


def measure_month(folder: Path) -> None:
    """A month of flights lands, is versioned and pushed to a folder."""
    import shutil

    from landings import set_back, take_in_all

    from tasks.core.params import Params
    from tasks.core.workspace import workspace
    from tasks.data.publish import adopt_version
    from tasks.data.snapshot import pull_snapshot

    root, data = workspace().root, Params.load().data
    snapshot = pull_snapshot.fn(None, data)
    config = f"[core]\n    remote = there\n['remote \"there\"']\n    url = {folder / 'remote'}\n"
    (root / ".dvc" / "config").write_text(config)
    adopt_version.fn(data)
    (root / "landing" / "flights").mkdir(parents=True)
    later = pl.read_parquet(snapshot.files["flights/2013-12.parquet"]).with_columns(
        pl.col("time_hour") + timedelta(days=31)
    )
    later.write_parquet(root / "landing" / "flights" / "a.parquet")
    set_back(root / "landing" / "flights" / "a.parquet")
    start = time.perf_counter()
    (change,) = take_in_all().changes
    print(
        f"a month ({change.added:,} rows) landed, versioned, pushed  {time.perf_counter() - start:5.2f} s   (bar: 5 s)"
    )
    shutil.rmtree(root / "landing")


def measure_known_files() -> None:
    """Files that are known already, beyond their listing."""
    from tasks.core.use_case import load_tables
    from tasks.data.deliveries import open_news
    from tasks.data.folders import Listing
    from tasks.data.landing import LandingPlace
    from tasks.data.ledger import SCHEMA

    names = pl.DataFrame({"file": [f"flights/part-{number:09}.parquet" for number in range(FILES)]})
    times = names.with_columns(size=pl.lit(1000, pl.Int64), modified=pl.lit(datetime.now(UTC) - timedelta(days=1)))
    files = times.cast({"modified": pl.Datetime("us", "UTC")})
    digests = pl.Series("digest", [f"{number:064x}" for number in range(FILES)])
    facts = {"table": pl.lit("flights"), "position": pl.lit(-1, pl.Int64), "rows": 1, "quarantined": 0}
    ledger = files.with_columns(digests, **facts).select(SCHEMA.keys()).cast(pl.Schema(SCHEMA))

    class Known(LandingPlace):
        def list(self) -> Listing:
            return Listing(files, [])

    place, tables, limit = Known("landing"), load_tables(), timedelta(seconds=60)
    cost = min(cpu_seconds(lambda: list(open_news(place, tables, ledger, limit))) for _ in range(ROUNDS))
    print(f"{FILES:,} known files beyond their listing       {cost:5.2f} CPU s   (bar: .5 s)")


def cpu_seconds(work: Callable[[], object]) -> float:
    """What a call costs."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
