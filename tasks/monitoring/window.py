"""A window and what its check found: the 28 days that end on the first of a month."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from tasks.core.errors import counted
from tasks.evaluation.verdict import Interval

LENGTH = timedelta(days=28)


class Window(NamedTuple):
    """Event times in [start, end)."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """Its name in records and events: the day it ends."""
        return f"{self.end:%Y-%m-%d}"


def newest_window(as_of: datetime) -> Window:
    """The newest window that is over at as_of."""
    end = as_of.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Window(end - LENGTH, end)


class Finding(BaseModel):
    """What a check found of one column."""

    column: str
    psi: float
    threshold: float
    missing: float  # share of the window
    missing_before: float
    new_categories: list[str]

    @property
    def drifted(self) -> bool:
        return self.psi > self.threshold


class Quality(BaseModel):
    """Realised quality of the champion's logged predictions, and its gain over the predecessor on the same rows."""

    rows: int
    metrics: dict[str, float]
    predecessor: str | None
    gain: Interval | None  # mean loss of the predecessor less that of the champion

    @property
    def degraded(self) -> bool:
        """Worse than the predecessor, with confidence."""
        return self.gain is not None and self.gain.high < 0


class WindowCheck(BaseModel):
    """What a check found; it is recorded before its events are emitted."""

    window: str
    version: str
    rows: int
    findings: list[Finding]
    drifted: list[str]
    alarm: bool
    missing: list[str]
    quality: Quality | None
    alarm_from: int | None = None  # so many drifted columns make an alarm
    rejected: str | None = None

    def __str__(self) -> str:
        """The outcome in one line."""
        window = f"window {self.window} ({LENGTH.days} days before)"
        if self.rejected:
            return f"{window} rejected: {self.rejected}"
        names = f": {', '.join(self.drifted)}" if self.drifted else ""
        names += f" ({self.alarm_from} make an alarm)" if self.drifted and self.alarm_from and not self.alarm else ""
        drifted = counted(len(self.drifted), "column")
        line = f"{window}, version {self.version}: {drifted} drifted{names}"
        if self.quality:
            measured = ", ".join(f"{name} {self.quality.metrics[name]:.4f}" for name in list(self.quality.metrics)[-3:])
            line += f"; {self.quality.rows:,} labelled predictions, {measured}"
            line += "; DEGRADED" if self.quality.degraded else ""
        return line + ("; ALARM" if self.alarm else "")


def reject_window(window: str, version: str, why: str, alarm: bool = False) -> WindowCheck:
    """The check of a window, by its name, that cannot be compared, or not be read any more."""
    return WindowCheck(
        window=window,
        version=version,
        rows=0,
        findings=[],
        drifted=[],
        alarm=alarm,
        missing=[],
        quality=None,
        rejected=why,
    )
