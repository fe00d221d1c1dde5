"""From a drift event to the retrain running: python -m benchmarks.drift_latency

Ten events on a running server with a worker; where the time goes, in seconds after the event: the run is created by the
trigger, taken up by the worker (Pending), and Running once its process has started and imported the flow.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from stack.local_stack import ROOT, clean_environment, deploy, make_workspace, prefect_server, worker

EVENTS = 10
NAMES = ("created", "Pending", "Running", "over")


def main() -> int:
    """Start server and worker, and measure in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        environment = clean_environment(make_workspace(Path(folder) / "workspace"), PREFECT_LOGGING_LEVEL="ERROR")
        with prefect_server(environment) as address:
            environment |= {"PREFECT_API_URL": address}
            deploy(environment)
            with worker(environment):
                command = [sys.executable, "-m", "benchmarks.drift_latency", "measure"]
                return subprocess.run(command, cwd=ROOT, env=environment).returncode


def measure() -> None:
    """Emit an event, wait until its run is over, and read its times; one after the other."""
    import time

    from prefect.client.orchestration import get_client

    from tasks.core.events import announce

    laps = []
    with get_client(sync_client=True) as client:
        seen = set()
        for number in range(EVENTS + 1):  # the first warms up
            began = time.time()
            facts = {"window": f"20{number:02}-01-01", "as_of": "2013-04-01T00:00:00+00:00"}
            announce("data.drifted", f"model.latency.{number}", model=f"latency-{number}", **facts)
            run = wait_for_new_run(client, seen)
            seen.add(run.id)
            times = {"created": run.created.timestamp() - began}
            for state in client.read_flow_run_states(run.id):
                times.setdefault("over" if state.is_final() else state.name, state.timestamp.timestamp() - began)
            laps.append(times)
            print(json.dumps({name: round(times.get(name, float("nan")), 2) for name in NAMES}), flush=True)
    for name in NAMES:
        print(f"{name:<8} median {statistics.median(lap[name] for lap in laps[1:]):5.2f} s")
    print("bar: Running within 8 s")


def wait_for_new_run(client, seen):
    """The run that the newest event started, once it is over."""
    import time

    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        for run in client.read_flow_runs():
            if run.id not in seen and not run.auto_scheduled and run.state and run.state.is_final():
                return run
        time.sleep(0.3)
    raise SystemExit("error: no run answered the event within 120 s")


if __name__ == "__main__":
    sys.exit(measure() if sys.argv[1:] == ["measure"] else main())
