"""Why did it not retrain, or not roll back? The last refusals, newest first: python -m flows.refusals"""

from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params
from tasks.registry.decision_log import read_log
from tasks.registry.entries import Refused

SHOWN = 20


def refusals() -> None:
    """Print a line for each."""
    refused = read_log(Params.load().model).of(Refused)
    for entry in reversed(refused[-SHOWN:]):
        what = f"{entry.work:<8}  {entry.cause:<8}  window {entry.window or '-':<10}"
        print(f"{entry.as_of:%Y-%m-%dT%H:%M}  {what}  {entry.reason}")
    if not refused:
        print("nothing was refused")


if __name__ == "__main__":
    with exit_on_input_error():
        refusals()
