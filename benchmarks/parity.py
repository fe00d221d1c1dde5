"""10,000 flights of the year, one request each, against all at once: python -m benchmarks.parity

Prints whether every feature of every row is the same, and what a row costs either way.
"""

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from stack.local_stack import clean_environment, make_workspace

ROWS = 10_000


def main() -> int:
    """Measure in a process that has a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = clean_environment(make_workspace(Path(folder) / "workspace"))
        return subprocess.run([sys.executable, "-m", "benchmarks.parity", "measure"], env=environment).returncode


def measure() -> None:
    import polars as pl

    from project.contract import EVENT_TIME, KNOWN_AT, TABLES
    from project.late_arrivals.features import LOOKBACK, build_features
    from tasks.core.params import Params
    from tasks.data.reader import read_table
    from tasks.data.snapshot import pull_snapshot
    from tasks.data.validation import separate_rows

    snapshot, end = pull_snapshot.fn(None, Params.load().data), datetime(2014, 1, 2, tzinfo=UTC)
    start = datetime(2013, 1, 1, tzinfo=UTC)
    tables = {name: separate_rows(name, read_table(snapshot, name, start, end, end))[0] for name in TABLES}
    asked = tables["flights"].sample(ROWS, seed=7)

    began = time.perf_counter()
    together = build_features(asked, tables)
    middle = time.perf_counter()
    alone = []
    times = {"flights": EVENT_TIME, "weather": KNOWN_AT["weather"]}
    for row in asked.iter_slices(1):
        event = row.select(EVENT_TIME).item()
        near = {name: tables[name].filter(time.is_between(event - LOOKBACK, event)) for name, time in times.items()}
        alone.append(build_features(row, tables | near))
    finished = time.perf_counter()
    print(f"{ROWS:,} rows alone have the features they have together: {pl.concat(alone).equals(together)}")
    print(f"together {(middle - began) / ROWS * 1e6:7.1f} us a row")
    print(f"alone    {(finished - middle) / ROWS * 1e6:7.1f} us a row")


if __name__ == "__main__":
    sys.exit(measure() if sys.argv[1:] == ["measure"] else main())
