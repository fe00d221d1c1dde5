"""Why did it not retrain, or not roll back? The last refusals, newest first: python -m flows.refusals"""

import argparse

from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params
from tasks.registry.decision_log import read_log
from tasks.registry.entries import Refused

SHOWN = 20


def refusals(model: str | None = None) -> None:
    """Print a line for each refusal of a model."""
    refused = read_log(Params.load(model).model).of(Refused)
    for entry in reversed(refused[-SHOWN:]):
        what = f"{entry.work:<8}  {entry.cause:<8}  window {entry.window or '-':<10}"
        print(f"{entry.as_of:%Y-%m-%dT%H:%M}  {what}  {entry.reason}")
    if not refused:
        print("nothing was refused")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.refusals", description=__doc__)
    parser.add_argument("--model", help="its name in project/")
    with exit_on_input_error():
        refusals(**vars(parser.parse_args()))
