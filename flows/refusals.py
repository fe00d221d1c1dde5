"""Why did it not retrain? The last refusals of the policy, newest first: python -m flows.refusals"""

from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params
from tasks.registry.versions import read_log

SHOWN = 20


def refusals() -> None:
    """Print a line for each."""
    records = read_log(Params.load().model).of("refusal")
    for record in reversed(records[-SHOWN:]):
        tags = record.tags
        print(f"{tags['as_of'][:16]}  {tags['cause']:<8}  window {tags['window'] or '-':<10}  {tags['reason']}")
    if not records:
        print("no training was refused")


if __name__ == "__main__":
    with exit_on_input_error():
        refusals()
