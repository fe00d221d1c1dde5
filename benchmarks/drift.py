"""What a drift check costs at 1 million rows: python -m benchmarks.drift

The deciding path (score of every column against its reference) on 24 columns, and the Evidently report of the 20,000
rows that it shows; CPU seconds on one core.
"""

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from stack.local_stack import clean_environment, make_workspace

ROWS, SHOWN = 1_000_000, 20_000


def main() -> int:
    """Measure in a process with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        environment = clean_environment(make_workspace(Path(folder) / "workspace"), POLARS_MAX_THREADS="1")
        return subprocess.run([sys.executable, "-m", "benchmarks.drift", "measure"], env=environment).returncode


def measure() -> None:
    import numpy as np
    import polars as pl

    from tasks.monitoring.drift import find_drift, fit_references
    from tasks.monitoring.evidently_report import make_html

    random = np.random.default_rng(0)
    places = np.array([f"p{number}" for number in range(100)])
    numbers = {f"n{at}": pl.Series(random.normal(size=ROWS), dtype=pl.Float32) for at in range(21)}
    texts = {f"c{at}": pl.Series(places[random.integers(0, 100, ROWS)]) for at in range(3)}
    frame = pl.DataFrame(numbers | texts)
    day = pl.Series(np.arange(ROWS) // (ROWS // 56))
    times, end = pl.select(pl.from_epoch(day, time_unit="d")).to_series(), datetime(1970, 2, 26, tzinfo=UTC)  # 8 weeks

    start = time.process_time()
    references = fit_references(frame, times, end)
    fitted = time.process_time()
    findings = find_drift(frame, references)
    checked = time.process_time()
    sample = frame.head(SHOWN)
    make_html(sample, sample, findings, "benchmark")
    shown = time.process_time()
    print(f"thresholds from 8 weeks of {ROWS:,} rows x {frame.width} columns   {fitted - start:6.2f} CPU s")
    print(f"check of {ROWS:,} rows x {frame.width} columns                     {checked - fitted:6.2f} CPU s (bar: 2)")
    print(f"Evidently report of {SHOWN:,} rows a side                   {shown - checked:6.2f} CPU s, imports included")


if __name__ == "__main__":
    sys.exit(measure() if sys.argv[1:] == ["measure"] else main())
