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

    from tasks.core.params import Params
    from tasks.core.use_case import load_use_case
    from tasks.data.reader import read_table
    from tasks.data.snapshot import pull_snapshot
    from tasks.data.validation import separate_rows
    from tasks.features.index import Index

    params = Params.load()
    snapshot, use_case = pull_snapshot.fn(None, params.data), load_use_case(params.model)
    start, end = datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 2, tzinfo=UTC)
    rows = {name: read_table(snapshot, use_case, name, start, end) for name in use_case.tables}
    tables = {name: separate_rows(use_case, name, part)[0] for name, part in rows.items()}
    asked = tables["flights"].sample(ROWS, seed=7)

    began = time.perf_counter()
    together = use_case.build_features(asked, Index(use_case.tables, tables))
    middle = time.perf_counter()
    alone = []
    times = {"flights": use_case.event_time, "weather": use_case.tables["weather"].row_known_at}
    for row in asked.iter_slices(1):
        event = row.select(use_case.event_time).item()
        since = event - use_case.reach.before
        near = {name: tables[name].filter(time.is_between(since, event)) for name, time in times.items()}
        alone.append(use_case.build_features(row, Index(use_case.tables, tables | near)))
    finished = time.perf_counter()
    print(f"{ROWS:,} rows alone have the features they have together: {pl.concat(alone).equals(together)}")
    print(f"together {(middle - began) / ROWS * 1e6:7.1f} us a row")
    print(f"alone    {(finished - middle) / ROWS * 1e6:7.1f} us a row")


if __name__ == "__main__":
    sys.exit(measure() if sys.argv[1:] == ["measure"] else main())
