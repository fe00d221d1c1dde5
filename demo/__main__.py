"""The demo's stage: a workspace of its own in demo/workspace, a Prefect server and a worker (make demo).

Standard library only, so that the first line appears at once; the story is demo/lifecycle.py, in a child process.
"""

import subprocess
import sys
import time

from stack.local_stack import ROOT, clean_environment, deploy, make_workspace, prefect_server, worker

WORKSPACE = ROOT / "demo" / "workspace"
SETTINGS = {
    "PARAMS_TUNING__N_TRIALS": "10",
    "PYTHONUNBUFFERED": "1",
    "MPLCONFIGDIR": str(WORKSPACE / "cache" / "matplotlib"),
}


def main() -> int:
    """Set the stage, run the story, clean up; returns the story's exit code."""
    start = time.monotonic()
    print("Late arrivals out of New York, 2013: will a flight arrive 15 minutes late or more, asked two hours before?")
    print("Starting a Prefect server (10 to 20 seconds) ...", flush=True)
    environment = clean_environment(make_workspace(WORKSPACE), **SETTINGS)
    with prefect_server(environment) as address:
        environment |= {"PREFECT_API_URL": address}
        print("The server is up; its deployments and a worker follow ...", flush=True)
        deploy(environment)
        with worker(environment):
            code = subprocess.run([sys.executable, "-m", "demo.lifecycle"], env=environment).returncode
    print(f"\n{time.monotonic() - start:.0f} s in all." if code == 0 else "\nThe demo stopped; the reason is above.")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
