"""The verdict of the gate as it goes on record; it loads no statistics, for a rollback in a hurry."""

from typing import Literal, NamedTuple

from pydantic import BaseModel


class Interval(NamedTuple):
    """A paired difference with its two-sided interval; each end is one-sided at the level asked for."""

    low: float
    difference: float
    high: float

    def __str__(self) -> str:
        return f"{self.difference:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


class Check(BaseModel):
    """One reason for or against: what was measured, the bound, and whether it holds."""

    name: str
    passed: bool
    measured: str
    required: str

    def __str__(self) -> str:
        return f"{self.name}: {self.measured}, required {self.required}"


class Verdict(BaseModel):
    """The gate's decision with its evidence: every check, and the metrics of each model on the gate rows."""

    decision: Literal["promote", "pending", "reject"]  # pending: the gate would promote, a person has the last word
    checks: list[Check]
    metrics: dict[str, dict[str, float]]  # by challenger, champion, baseline
    slices: dict[str, dict[str, Interval]] = {}  # by column and value: gain over the champion
    gain_by_day: dict[str, float] = {}  # mean loss of the champion, or the baseline, less that of the challenger

    @property
    def reason(self) -> str:
        """What decided, in one line: the checks that do not hold, or that all do and by how much it is better."""
        failed = [str(check) for check in self.checks if not check.passed]
        gains = [f"{check.name} {check.measured}" for check in self.checks if "gain over" in check.name]
        return "; ".join(failed or [f"all {len(self.checks)} checks hold", *gains])

    def __str__(self) -> str:
        """The decision, and a line for every check."""
        lines = (f"  {'yes' if check.passed else 'NO ':<3}  {check}" for check in self.checks)
        return "\n".join([f"verdict: {self.decision}", *lines])
