"""What Prefect and MLflow add to a training: python -m benchmarks.train_overhead

The train flow on a running server against the same functions called plainly, warm, in one process.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from stack.local_stack import clean_environment, make_workspace, prefect_server

ROUNDS = 5
TASKS = 300
AS_OF = datetime(2013, 3, 16, tzinfo=UTC)


def main() -> int:
    """Make a workspace, start a server, and measure in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder) / "workspace")
        environment = clean_environment(workspace, PREFECT_LOGGING_LEVEL="ERROR", PARAMS_TUNING__N_TRIALS="4")
        with prefect_server(environment) as address:
            command = [sys.executable, "-m", "benchmarks.train_overhead", "measure"]
            return subprocess.run(command, env=environment | {"PREFECT_API_URL": address}).returncode


def measure() -> None:
    """Alternate plain calls and flow runs of trainings that differ in their seed."""
    from prefect import flow, task

    from flows.train import train
    from tasks.core.params import Params
    from tasks.core.workspace import workspace

    told = train.with_options(log_prints=False)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  the progress of the trainings
    times = {"plain": [], "flow": []}
    for seed in range(ROUNDS + 1):  # the first round warms up
        params = Params.load().model_copy(update={"seed": seed})
        times["plain"].append(seconds(lambda params=params: train_plainly(params)))
        shutil.rmtree(workspace().studies)
        times["flow"].append(seconds(lambda params=params: told(AS_OF, params=params)))

    nothing = task(lambda: None)
    empty = statistics.median(seconds(flow(lambda: None, name="empty")) for _ in range(3))
    full = flow(lambda: seconds(lambda: [nothing() for _ in range(TASKS)]), name="tasks")()
    sys.stdout = sys.__stdout__
    plain, whole = (statistics.median(values[1:]) for values in times.values())
    print(f"a training, plain calls             {plain:6.2f} s")
    print(f"the same as the train flow          {whole:6.2f} s   ratio {whole / plain:.2f}")
    print(f"fixed cost of Prefect and MLflow    {whole - plain:6.2f} s   (bar: 3 s)")
    print(f"of it an empty flow run             {empty:6.2f} s")
    print(f"cost of a task                      {full / TASKS * 1000:6.1f} ms  (bar: 15 ms)")


def train_plainly(params) -> None:
    """What flows/train.py does, without tasks, lock and records."""
    from tasks.core.use_case import load_use_case
    from tasks.data.feature_frame import build_feature_frame
    from tasks.data.snapshot import pull_snapshot
    from tasks.training.challenger import judge_challenger
    from tasks.training.fit import export_model, fit_model
    from tasks.training.split import labelled_rows, split_rows
    from tasks.training.tuning import tune_model

    snapshot, use_case = pull_snapshot.fn(None, params.data), load_use_case(params.model)
    frame, _ = build_feature_frame.fn(snapshot, use_case, AS_OF, None, params.validation)
    sets = split_rows(labelled_rows(frame), AS_OF, params.split)
    tuned = tune_model.fn(use_case, sets.train, sets.validation, None, params.tuning, params.seed)
    fitted = fit_model.fn(use_case, sets.fit, tuned.hyperparameters, params.seed)
    scorer = export_model.fn(fitted, sets, params.gate)
    judge_challenger.fn(scorer, None, sets, params.gate)


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(measure() if sys.argv[1:] == ["measure"] else main())
