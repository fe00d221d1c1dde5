"""What an endpoint refuses, and why: the field and the rule, and nothing of what was sent."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

SHOWN = 20  # faults of a request


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: list[str | int]  # such as [3, "distance"]: a row of a list, and its field
    rule: str
    message: str


class Faults(BaseModel):
    """Why a request was refused."""

    faults: list[Fault]


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: Of HTTP.
        faults: What is wrong with it.
    """

    def __init__(self, status: int, *faults: Fault) -> None:
        self.status, self.faults = status, faults[:SHOWN]

    @property
    def body(self) -> bytes:
        """As it is sent."""
        return to_json({"faults": [fault.model_dump() for fault in self.faults]})


def refuse(status: int, rule: str, message: str, *where: str | int) -> RefusedError:
    """A refusal for one reason."""
    return RefusedError(status, Fault(where=list(where), rule=rule, message=message))


def refuse_unfit(error: ValidationError, declared: list[str], outcomes: Sequence[str]) -> RefusedError:
    """What does not fit the schema of a request; of an undeclared field not even the name is repeated."""
    found = [dict(fault) for fault in error.errors(include_input=False, include_context=False, include_url=False)]
    status = 400 if found[0]["type"] == "json_invalid" else 422
    faults = [to_fault(fault, declared, outcomes) for fault in found]
    return RefusedError(status, *{fault.model_dump_json(): fault for fault in faults}.values())  # each once


def to_fault(fault: dict[str, Any], declared: list[str], outcomes: Sequence[str]) -> Fault:
    rule, names = fault["type"], [*declared, *outcomes]
    place = [part for part in fault["loc"] if isinstance(part, int) or part in names]
    if rule == "extra_forbidden":
        told = "an outcome: leave it out" if fault["loc"][-1] in outcomes else "a field that is not declared"
        return Fault(where=place, rule=rule, message=f"{told}; the fields are {', '.join(declared)}")
    return Fault(where=place, rule=rule, message=fault["msg"])
