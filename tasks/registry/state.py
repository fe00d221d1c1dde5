"""What follows from the decision log: the champion at any moment, versions, reviews; a pure fold of the entries."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from tasks.core.errors import InputError
from tasks.registry.entries import Answered, Asked, Checked, Claim, Entry, Judged, Move

Kind = TypeVar("Kind", bound=Entry)


class NotMovedError(InputError):
    """The champion stays for a legitimate reason, such as a replay or a changed champion."""


class Head(NamedTuple):
    """The newest entry: whoever keeps it elsewhere can tell whether the log was changed up to it."""

    number: int = 0
    digest: str = ""


class Review(NamedTuple):
    """One question to a person, and its answer."""

    asked: Asked
    outcome: str = "pending"  # approved, rejected, expired, refused
    by: str = ""
    note: str = ""
    holder: str = ""  # the flow run that shows the question in the Prefect UI

    @property
    def version(self) -> str:
        return self.asked.version

    @property
    def seconds_left(self) -> int:
        """For an answer, at least one."""
        return max(1, int((self.asked.until - datetime.now(UTC)).total_seconds()))


class Log:
    """The decision log of a model at one moment, oldest entry first."""

    def __init__(self, model: str, entries: Iterable[Entry] = (), head: Head | None = None) -> None:
        self.model = model
        self.head = head or Head()
        self.entries: list[Entry] = []
        self.moves: list[Move] = []
        self.versions: dict[str, Judged] = {}
        self.reviews: dict[str, Review] = {}
        self._line: dict[str, None] = {}  # champions in order; who was rolled back is out
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take in the next entry.

        Raises:
            InputError: It does not follow from those before it.
        """
        if objection := self.objection(entry):
            raise objection
        self.entries.append(entry)
        match entry:
            case Judged():
                self.versions[entry.version] = entry
            case Asked():
                self.reviews[entry.version] = Review(entry)
            case Claim(work="review", version=str(version)):
                self.reviews[version] = self.reviews[version]._replace(holder=entry.run)
            case Answered():
                self._settle(entry.version, entry.outcome, entry)
            case Move():
                self.moves.append(entry)
                follow(self._line, entry)
                if self.is_pending(entry.version):
                    self._settle(entry.version, "approved", entry)

    def objection(self, entry: Entry) -> InputError | None:
        """Why an entry cannot be the next one."""
        match entry:
            case Judged() if entry.version != self.next_version():
                return InputError(f"the next version of {self.model} is {self.next_version()}, not {entry.version}")
            case Asked() if entry.version not in self.versions or entry.version in self.reviews:
                return InputError(f"version {entry.version} of {self.model} was asked about already, or is unknown")
            case Answered() if not self.is_pending(entry.version):
                return InputError(f"version {entry.version} of {self.model} waits for no review")
            case Claim(work="review", version=version) if not self.is_pending(version or ""):
                return InputError(f"version {version} of {self.model} waits for no review")
            case Move():
                return self._objection_to_move(entry)
        return None

    def _objection_to_move(self, move: Move) -> InputError | None:
        if move.version not in self.versions:
            return InputError(f"{self.model} has no version {move.version!r}")
        champion = self.champion()
        if move.replaces != champion:
            return NotMovedError(
                f"the champion of {self.model} is version {champion} now, not {move.replaces}: nothing was done"
            )
        if move.version == champion:
            return InputError(f"version {champion} of {self.model} is the champion already")
        if self.moves and move.as_of < self.moves[-1].as_of:
            return NotMovedError(
                f"as_of {move.as_of} lies before the newest promotion ({self.moves[-1].as_of}): a replay moves nothing"
            )
        if move.kind == "rollback" and move.version != self.predecessor():
            return NotMovedError(f"{self.model} rolls back to version {self.predecessor()} now, not {move.version}")
        return None

    def _settle(self, version: str, outcome: str, entry: Entry) -> None:
        review = self.reviews[version]
        self.reviews[version] = review._replace(outcome=outcome, by=entry.by, note=entry.reason)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The entries of a kind."""
        return [entry for entry in self.entries if isinstance(entry, kind)]

    def is_pending(self, version: str) -> bool:
        """Whether a person is asked about this version and has not answered."""
        return version in self.reviews and self.reviews[version].outcome == "pending"

    def next_version(self) -> str:
        return str(len(self.versions) + 1)

    def champion(self, as_of: datetime | None = None) -> str | None:
        """The version that was champion at as_of; None is the last."""
        for move in reversed(self.moves):
            if as_of is None or move.as_of <= as_of:
                return move.version
        return None

    def predecessor(self, as_of: datetime | None = None) -> str | None:
        """Rollback target at as_of: the newest earlier champion that was not itself rolled back since."""
        line = self._line if as_of is None else {}
        for move in self.moves:
            if as_of and move.as_of <= as_of:
                follow(line, move)
        return list(line)[-2] if len(line) > 1 else None

    def now(self, clock: str) -> datetime:
        """The moment that a decision by hand belongs to: now, or by clock `data` the newest as_of on record.

        It never lies before the newest move, which a machine may have made whose clock is ahead.
        """
        if clock == "wall":
            return max([datetime.now(UTC), *(move.as_of for move in self.moves[-1:])])
        moments = [entry.as_of for entry in self.entries if isinstance(entry, Judged | Checked | Move)]
        if not moments:
            raise InputError(f"nothing is on record for {self.model}: run `ml train` first")
        return max(moments)


def follow(line: dict[str, None], move: Move) -> None:
    """Let the champions, in order, be those after a move; a version that was rolled back is none of them."""
    if move.kind == "rollback" and move.replaces:
        line.pop(move.replaces, None)
    line.pop(move.version, None)
    line[move.version] = None
