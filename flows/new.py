"""Begin a new model, with three example features and settings that suit its data: python -m flows.new NAME"""

import argparse
import sys

from tasks.core.errors import InputError, exit_on_input_error
from tasks.core.workspace import CODE
from tasks.operations.model_plan import plan_model
from tasks.operations.new_model import require_new, write_model

QUESTIONS = {
    "table": "the table of data/ whose rows are predicted",
    "target": "what is predicted: a column, or a condition such as 'minutes >= 15' or 'kept == yes'",
    "ahead": "how long before the event the prediction is asked for, such as 2h; 0h is at it, -1d a day later",
    "event": "the column with the time of a row's event",
    "key": "the columns that identify a row, such as at,shop",
    "outcomes": "the columns that are told only later, as the target is: no feature may see them",
    "delay": "how long after the event the outcome is known, such as 6h or 1d",
}


def new(name: str, **given: str | None) -> None:
    """Ask what the options leave open, and write the model.

    Args:
        name: Of the model, such as late-orders.
        given: An answer for each of QUESTIONS; None is asked for.
    """
    require_new(name)
    answers = {question: answer for question, answer in given.items() if answer is not None}
    plan = plan_model(name, lambda question, *offered: answers.pop(question, None) or ask(question, *offered))
    if answers:
        raise InputError(f"project/contract.py says that of {plan.table}: leave --{' and --'.join(answers)} out")
    for file in write_model(plan):
        print(f"wrote {file.relative_to(CODE) if file.is_relative_to(CODE) else file}")
    print(f"next: dvc add data (if data/ changed), then python -m flows.train --model {name}")


def ask(question: str, *offered: str) -> str:
    """An answer from the terminal; where one is offered, an empty answer, or nobody there, takes it."""
    text, default = QUESTIONS[question], offered[0] if len(offered) == 1 else ""
    if not sys.stdin.isatty():
        if not default:
            raise InputError(f"give --{question}, {text}; there are {', '.join(offered)}")
        print(f"{text}: {default}")
        return default
    shown = f" [{default}]" if default else f" ({', '.join(offered)})"
    answer = ""
    while not answer:
        answer = input(f"{text}{shown}: ").strip() or default
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.new", description=__doc__)
    parser.add_argument("name", help="of the model, such as late-orders")
    for question, text in QUESTIONS.items():
        parser.add_argument(f"--{question}", help=text)
    with exit_on_input_error():
        try:
            new(**vars(parser.parse_args()))
        except (EOFError, KeyboardInterrupt):
            raise InputError("no answer was given: nothing was written") from None
