"""The kinds of entries of the decision log; each bears its version, so that a later one can still be read."""

import os
import socket
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tasks.core.errors import InputError
from tasks.core.provenance import who

VersionNumber = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]


def on_one_line(text: str) -> str:
    """Text from a terminal or a form, which must not look like another line of the record."""
    shown = text.encode("utf-8", "replace").decode()
    return " ".join("".join(sign if sign.isprintable() else " " for sign in shown).split())


Text = Annotated[str, AfterValidator(on_one_line)]


class Entry(BaseModel):
    """One decision on record."""

    model_config = ConfigDict(frozen=True)

    number: int = 0  # its place in the log of the model, from 1; given when it is recorded, as is made_at
    made_at: AwareDatetime = datetime.min.replace(tzinfo=UTC)
    kind: str
    v: Literal[1] = 1
    as_of: AwareDatetime  # the logical time
    by: Text = Field(default_factory=who, validate_default=True)
    reason: Text = ""


class Claim(Entry):
    """Somebody has begun: advice to others, never a lock."""

    kind: Literal["claim"] = "claim"
    work: Literal["training", "review"]
    version: str | None = None  # that is reviewed
    run: str = ""  # flow run
    host: str = Field(default_factory=socket.gethostname)
    pid: int = Field(default_factory=os.getpid)


class Judged(Entry):
    """A version with the verdict of the gate; the card in its bundle holds all the evidence."""

    kind: Literal["verdict"] = "verdict"
    version: str
    decision: str
    why: str  # of the verdict
    judged_against: str | None  # the champion's version
    key: str  # what version and verdict depend on besides the champion
    cause: str
    window: str | None = None
    data_version: str
    sha256: str  # of the model file
    bundle: str
    digests: dict[str, str]  # sha256 of each file of the bundle


class Checked(Entry):
    """A window check; its findings lie in the file that `findings` names."""

    kind: Literal["check"] = "check"
    window: str
    version: str
    alarm: bool
    degraded: bool
    check: dict[str, Any]
    findings: str


class Refused(Entry):
    """What was asked for and not done, once for each asker and reason."""

    kind: Literal["refusal"] = "refusal"
    work: Literal["training", "rollback"]
    cause: str
    window: str = ""
    event: str = ""  # the id of the event that asked


class Asked(Entry):
    """The question whether a version becomes champion."""

    kind: Literal["review"] = "review"
    version: str
    champion: str | None  # that the gate compared with; it must still be champion
    until: AwareDatetime  # after it, no answer counts as a rejection


class Answered(Entry):
    """The answer to a review; an approval is the promotion itself."""

    kind: Literal["answer"] = "answer"
    version: str
    outcome: Literal["rejected", "expired", "refused"]


class Move(Entry):
    """The champion changes."""

    kind: Literal["promotion", "rollback"]
    version: str  # the champion from here on
    replaces: str | None


Known = Annotated[Claim | Judged | Checked | Refused | Asked | Answered | Move, Field(discriminator="kind")]
KNOWN: TypeAdapter[Known] = TypeAdapter(Known)


def parse_entry(number: int, text: str) -> Entry:
    """An entry as it was recorded.

    Raises:
        InputError: This version of the code does not know its kind, or it is damaged.
    """
    try:
        return KNOWN.validate_json(text)
    except ValidationError as error:
        (fault, *_) = error.errors()
        where = ".".join(map(str, fault["loc"])) or "kind"
        raise InputError(
            f"entry {number} of the decision log cannot be read ({where}: {fault['msg']}): it was made by a later "
            "version of this code, which then must read it, or it is damaged: restore a backup"
        ) from None
