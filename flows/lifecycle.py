"""The demo: three trainings on the sample data, in a workspace of its own (make demo).

The parent process needs nothing but the standard library, so that the first line appears at once; it makes the
workspace, starts a Prefect server, and tells the story in a child process.
"""

import subprocess
import sys
import time

from tasks.stack import ROOT, clean_environment, make_workspace, prefect_server

WORKSPACE = ROOT / "store" / "demo"
TRIALS = "10"

METRICS = {"roc_auc": "AUC", "log_loss": "log loss", "skill": "skill"}

TRAININGS = [
    ("2013-04-01", None, "Three months of flights are in. A first model is trained; there is no champion yet."),
    ("2013-06-01", None, "Two months later. A challenger with five months of history meets the champion."),
    ("2013-07-01", "31d", "A challenger that looks back one month only meets the champion."),
]


def main() -> int:
    """Set the stage, run the story, clean up; returns the story's exit code."""
    start = time.monotonic()
    print("Late arrivals out of New York, 2013: will a flight arrive 15 minutes late or more, asked two hours before?")
    print("Starting a Prefect server (10 to 20 seconds) ...")
    environment = clean_environment(
        make_workspace(WORKSPACE), PARAMS_TUNING__N_TRIALS=TRIALS, PREFECT_LOGGING_LEVEL="ERROR", PYTHONUNBUFFERED="1"
    )
    with prefect_server(environment) as address:
        story = [sys.executable, "-m", "flows.lifecycle", "story"]
        code = subprocess.run(story, env=environment | {"PREFECT_API_URL": address}).returncode
    print(f"\n{time.monotonic() - start:.0f} s in all." if code == 0 else "\nThe demo stopped; the reason is above.")
    return code


def tell_story() -> None:
    """Train as of three days, and tell what the gate said."""
    from datetime import datetime

    from flows.train import train
    from tasks.params import STORE, Params
    from tasks.registry import current_alias

    params = Params.load()
    for day, history, line in TRAININGS:
        print(f"\n{day}  {line}")
        split = params.split.model_validate(params.split.model_dump() | {"history": history})
        told = train.with_options(log_prints=False, flow_run_name=f"train as of {day}")
        verdict = told(datetime.fromisoformat(day), params=params.model_copy(update={"split": split}))
        for model, measured in verdict.metrics.items():
            shown = (f"{label} {measured[name]:.4f}" for name, label in METRICS.items())
            print(f"  {model:<10}  {'   '.join(shown)}")
        print(f"  The champion is version {current_alias(params.model)} now.")
    print("\nWhere to look next")
    print(f"  every model with its card   {STORE / 'bundles'}")
    print(f"  rows that broke a rule      {STORE / 'quarantine'}")
    print(f"  every step on record        {STORE / 'mlflow.db'} (README: Look inside)")
    print("  how it went                 flows/train.py, 60 lines")


if __name__ == "__main__":
    try:
        sys.exit(tell_story() if sys.argv[1:] == ["story"] else main())
    except KeyboardInterrupt:
        sys.exit("stopped")
