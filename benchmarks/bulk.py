"""What scoring a large file costs, beside bare onnxruntime on the same features.

    .venv/bin/python -m benchmarks.bulk [MILLIONS]

Ten million flights (or as many as are named) from a parquet file to a parquet file: read, checked, features made and
scored by `ml predict --from --to`, beside onnxruntime alone, one thread, which is given the features of the same
flights, ready made, in parts of the same size. Memory is the most that the process held.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from stack.local_stack import ROOT, clean_environment, make_workspace

START, END = datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 12, 1, tzinfo=UTC)


def main(millions: float) -> None:
    """Measure in a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder) / "workspace")
        environment = clean_environment(workspace, PARAMS_TUNING__N_TRIALS="1")
        os.environ.update(environment)
        ml = [sys.executable, "-m", "flows.cli"]
        train = [*ml, "train", "--as-of", "2013-12-01"]
        subprocess.run(train, cwd=ROOT, env=environment, check=True, capture_output=True)
        rows = write_rows(Path(folder) / "rows.parquet", int(millions * 1e6))
        command = [*ml, "predict", "--from", f"{folder}/rows.parquet", "--to", f"{folder}/scores.parquet"]
        begun = time.monotonic()
        given = {"cwd": ROOT, "env": environment | {"PWD": folder}, "stdout": subprocess.DEVNULL}
        _, failed, used = os.wait4(subprocess.Popen(command, **given).pid, 0)
        ours, memory = rows / (time.monotonic() - begun), used.ru_maxrss / 1e6
        assert not failed
        bare = measure_bare()
        print(
            f"ours {ours:,.0f} rows a second, {memory:.2f} GB; onnxruntime alone {bare:,.0f}; ratio {ours / bare:.2f}"
        )


def write_rows(file: Path, count: int) -> int:
    """Flights of half a year, repeated under other numbers, in the order of their times."""
    from tasks.core.params import Params
    from tasks.core.use_case import load_use_case
    from tasks.data.reader import months, read_table
    from tasks.data.snapshot import pull_snapshot

    params, use_case = Params.load("late-arrivals"), load_use_case("late-arrivals")
    snapshot = pull_snapshot.fn(None, params.data)
    spans = [span for span in months(snapshot, use_case) if START <= span[0] < END]
    written, writer, each = 0, None, count // len(spans)
    for span in spans:
        rows = read_table(snapshot, use_case, use_case.rows, *span).drop(use_case.predicted.outcomes)
        left = each
        for copy in range(each // rows.height + 1):
            flight = ((pl.col("flight").cast(int) + 97 * copy) % 32_000 + 1).cast(pl.Int16)
            part = rows.with_columns(flight=flight).head(left).to_arrow()
            writer = writer or pq.ParquetWriter(file, part.schema)
            writer.write_table(part)
            written, left = written + part.num_rows, left - part.num_rows
    assert writer
    writer.close()
    return written


def measure_bare() -> float:
    """Rows a second of the session alone."""
    from tasks.core.params import Params
    from tasks.core.use_case import META, load_use_case
    from tasks.data.feature_frame import build_feature_frame
    from tasks.data.snapshot import pull_snapshot
    from tasks.inference.scorer import to_inputs
    from tasks.operations.bulk import AT_ONCE
    from tasks.registry.decision_log import read_log
    from tasks.registry.versions import load_version

    params, use_case, log = Params.load("late-arrivals"), load_use_case("late-arrivals"), read_log("late-arrivals")
    snapshot = pull_snapshot.fn(None, params.data)
    frame, _ = build_feature_frame.fn(snapshot, use_case, END, START, params.validation)
    scorer = load_version(log, log.champion() or "").scorer
    parts = [to_inputs(part.to_dict()) for part in frame.drop(META).iter_slices(AT_ONCE)]
    begun = time.monotonic()
    for part in parts:
        scorer.run(part)
    return frame.height / (time.monotonic() - begun)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
