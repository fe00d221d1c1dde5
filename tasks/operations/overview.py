"""What is worth knowing of each model: champion, quality and drift by window, verdicts, what waits for somebody."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tasks.registry.entries import Checked, Claim, Judged, Refused
from tasks.registry.state import Log

STALE = timedelta(days=1)  # what was begun longer ago is over
METRICS = ("roc_auc", "log_loss", "skill", "rmse", "mae", "r2")  # that say most, of any kind of target


class Reign(NamedTuple):
    """From when a version was champion, by the record."""

    version: str
    since: str
    how: str  # promotion or rollback
    by: str
    reason: str


class CheckedWindow(NamedTuple):
    """The newest check of a window."""

    window: str
    version: str
    labels: int
    metrics: dict[str, float]
    drifted: list[str]
    found: str  # in order, drifted, degraded, rejected with the reason

    @property
    def quality(self) -> str:
        """The metrics in words; empty as long as too few labels have arrived."""
        return ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())

    def describe(self) -> dict[str, str]:
        """The window in a row of a table."""
        labels = f"{self.labels:,}" if self.labels else ""
        row = {"window": self.window, "version": self.version, "found": self.found, "labels": labels}
        return row | {"quality": self.quality, "drifted columns": ", ".join(self.drifted)}


class Judgement(NamedTuple):
    """What the gate said of a version, and a person after it."""

    version: str
    as_of: str
    decision: str
    why: str


class Overview(NamedTuple):
    """One model at one moment."""

    model: str
    champion: Reign | None
    predecessor: str | None
    reigns: list[Reign]
    windows: list[CheckedWindow]
    verdicts: list[Judgement]
    waiting: list[str]


def look_over(log: Log) -> Overview:
    """Everything that a person asks first about a model."""
    reigns = [Reign(move.version, day(move.as_of), move.kind, move.by, move.reason) for move in log.moves]
    windows = {entry.window: describe_window(entry) for entry in log.of(Checked)}
    return Overview(
        model=log.model,
        champion=reigns[-1] if reigns else None,
        predecessor=log.predecessor(),
        reigns=reigns,
        windows=[windows[name] for name in sorted(windows)],
        verdicts=[describe_verdict(log, entry) for entry in log.versions.values()],
        waiting=[*pending_reviews(log), *unanswered_drift(log), *begun_training(log)],
    )


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def describe_window(entry: Checked) -> CheckedWindow:
    """A check as it was recorded, without its findings column by column."""
    quality, rejected = entry.check.get("quality") or {}, entry.check.get("rejected")
    names = [name for name, is_so in (("degraded", entry.degraded), ("drifted", entry.alarm)) if is_so]
    found = f"rejected: {rejected}" if rejected else ", ".join(names) or "in order"
    measured = quality.get("metrics", {})
    metrics = {name: measured[name] for name in METRICS if name in measured}
    drifted = entry.check.get("drifted", [])
    return CheckedWindow(entry.window, entry.version, quality.get("rows", 0), metrics, drifted, found)


def describe_verdict(log: Log, entry: Judged) -> Judgement:
    """The gate's decision, or where it left it to a person, what that person said."""
    review = log.reviews.get(entry.version)
    decision, why = entry.decision, entry.why
    if review:
        decision, why = review.outcome, f"{review.by}: {review.note}" if review.by else why
    return Judgement(entry.version, day(entry.as_of), decision, why)


def pending_reviews(log: Log) -> list[str]:
    """A sentence for each version that waits for a person."""
    return [
        f"version {version} waits for a person until {review.asked.until:%Y-%m-%d %H:%M} UTC: ml review"
        for version, review in log.reviews.items()
        if review.outcome == "pending"
    ]


def unanswered_drift(log: Log) -> list[str]:
    """A sentence if the newest window drifted, and no training since has a verdict and none was refused."""
    checks = log.of(Checked)
    if not (checks and checks[-1].alarm):
        return []
    later = log.entries[checks[-1].number :]
    answered = any(isinstance(entry, Judged | Refused) for entry in later)
    return [] if answered else [f"drift of window {checks[-1].window} has no training yet: the weekly one answers it"]


def begun_training(log: Log) -> list[str]:
    """A sentence if a training has begun, here or elsewhere, that has no verdict yet."""
    last = next((entry for entry in reversed(log.entries) if isinstance(entry, Claim | Judged)), None)
    if not (isinstance(last, Claim) and last.work == "training") or datetime.now(UTC) - last.made_at > timedelta(
        days=1
    ):
        return []
    return [f"a training as of {day(last.as_of)} began on {last.host} at {last.made_at:%H:%M} UTC, no verdict yet"]
