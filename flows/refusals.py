"""Why did it not retrain? The last refusals of the policy, newest first: python -m flows.refusals"""

from tasks.core.errors import told_in_one_sentence
from tasks.core.params import Params
from tasks.registry.decision_log import find_records

SHOWN = 20


def refusals() -> None:
    """Print a line for each."""
    records = find_records(Params.load().model, "refusal")
    for record in reversed(records[-SHOWN:]):
        tags = record.data.tags
        print(f"{tags['as_of'][:16]}  {tags['cause']:<8}  window {tags['window'] or '-':<10}  {tags['reason']}")
    if not records:
        print("no training was refused")


if __name__ == "__main__":
    with told_in_one_sentence():
        refusals()
