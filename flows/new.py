"""Begin a new model, with three example features and settings that suit its data: ml new NAME"""

import signal
import sys
from functools import cache
from typing import Annotated

from cyclopts import Parameter
from pydantic import BaseModel, Field

from tasks.core.errors import InputError
from tasks.core.workspace import CODE
from tasks.operations.model_plan import Plan, find_declared, find_tables, plan_model, read_data
from tasks.operations.new_model import require_new, write_model


class Answers(BaseModel):
    """What is asked for where no option gives it."""

    table: str | None = Field(None, description="the table of data/ whose rows are predicted")
    target: str | None = Field(
        None, description="what is predicted: a column, or a condition such as 'minutes >= 15' or 'kept == yes'"
    )
    ahead: str | None = Field(
        None, description="how long before the event the prediction is asked for: 2h; 0h is at it, -1d a day later"
    )
    event: str | None = Field(None, description="the column with the time of a row's event")
    key: str | None = Field(None, description="the columns that identify a row, such as at,shop")
    outcomes: str | None = Field(
        None, description="the columns that are told only later, as the target is: no feature may see them"
    )
    delay: str | None = Field(
        None,
        description="the longest time until an outcome is known, such as 6h or 9d: a shorter one is a leak",
    )


def new(name: str, /, *, given: Annotated[Answers, Parameter(name="*")] = Answers()) -> None:  # noqa: B008  immutable
    """Ask what the options leave open, and write the model.

    Args:
        name: Of the model, such as late-orders.
    """
    require_new(name)
    plan = ask_until_fit(name, {question: answer for question, answer in given if answer})
    others = sorted(set(find_tables()) - find_declared().keys() - {plan.table})
    for file in write_model(plan):
        print(f"wrote {file.relative_to(CODE) if file.is_relative_to(CODE) else file}")
    if others:
        print(f"data/ holds {', '.join(others)}, too: declare them in project/contract.py, then features can use them")
    print(f"next: dvc add data, dvc push and git commit, if data/ changed; then ml train --model {name}")


def ask_until_fit(name: str, answers: dict[str, str]) -> Plan:
    """The plan; what was typed and does not suit the data is asked for again, once for each fault; all else is kept."""
    used, typed, read, told = [], [], cache(read_data), ""

    def answer(question: str, *offered: str) -> str:
        used.append(question)
        if question not in answers:
            answers[question] = ask(question, *offered)
            typed.append(question)
        return answers[question]

    while True:
        used.clear()
        try:
            plan = plan_model(name, answer, read)
        except InputError as error:
            if not sys.stdin.isatty() or not typed or used[-1:] != typed[-1:] or str(error) == told:
                raise
            print(f"error: {(told := str(error))}")
            del answers[typed.pop()]
            continue
        if unused := [question for question in answers if question not in used]:
            raise InputError(f"project/contract.py says that of {plan.table}: leave --{' and --'.join(unused)} out")
        return plan


def ask(question: str, *offered: str) -> str:
    """An answer from the terminal; where one is offered, an empty answer, or nobody there, takes it."""
    text, default = Answers.model_fields[question].description, offered[0] if len(offered) == 1 else ""
    if not sys.stdin.isatty():
        if not default:
            raise InputError(f"give --{question}, {text}; there are {', '.join(offered)}")
        print(f"{text}: {default}")
        return default
    shown = f" [{default}]" if default else f" ({', '.join(offered)})"
    answer = ""
    signal.siginterrupt(signal.SIGINT, True)  # polars has set that a read goes on after Ctrl-C
    while not answer:
        try:
            answer = input(f"{text}{shown}: ").strip() or default
        except EOFError:
            raise InputError("no answer was given: nothing was written") from None
    return answer


if __name__ == "__main__":
    from flows.cli import main

    main("new")
