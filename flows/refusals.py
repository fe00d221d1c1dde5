"""Why did it not retrain, or not roll back? The last refusals, newest first: ml refusals"""

from tasks.operations.options import Json, Model, read_given
from tasks.operations.terminal import say_json, say_table
from tasks.registry.decision_log import read_log
from tasks.registry.entries import Refused

SHOWN = 20


def refusals(*, model: Model = None, as_json: Json = False) -> None:
    """Print a line for each refusal of a model."""
    refused = read_log(read_given(model).model).of(Refused)[: -SHOWN - 1 : -1]
    if as_json:
        say_json([entry.model_dump(mode="json") for entry in refused])
    elif refused:
        say_table([describe(entry) for entry in refused])
    else:
        print("nothing was refused")


def describe(entry: Refused) -> dict[str, str]:
    """One refusal in a line."""
    return {
        "as of": f"{entry.as_of:%Y-%m-%d %H:%M}",
        "refused": entry.work,
        "asked by": entry.cause,
        "window": entry.window or "-",
        "reason": entry.reason,
    }


if __name__ == "__main__":
    from flows.cli import main

    main("refusals")
