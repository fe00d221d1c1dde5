"""What is worth knowing of each model: champion, quality and drift by window, verdicts, what waits for somebody."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tasks.registry.entries import Checked, Claim, Judged, Refused
from tasks.registry.state import Log

METRICS = 3  # the last ones of a check, which say most


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
    found: str  # drifted, degraded, rejected with the reason, or nothing


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
    found = f"rejected: {rejected}" if rejected else ""
    found = found or ", ".join(
        name for name, is_so in (("degraded", entry.degraded), ("drifted", entry.alarm)) if is_so
    )
    metrics = dict(list(quality.get("metrics", {}).items())[-METRICS:])
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
    """A sentence if the newest window drifted and nobody has trained for it, or refused to."""
    checks = log.of(Checked)
    if not (checks and checks[-1].alarm):
        return []
    answered = [
        entry for entry in log.entries if isinstance(entry, Judged | Refused) and entry.window == checks[-1].window
    ]
    return [] if answered else [f"drift of window {checks[-1].window} has no training yet: train-weekly answers it"]


def begun_training(log: Log) -> list[str]:
    """A sentence if a training has begun, here or elsewhere, that has no verdict yet."""
    last = next((entry for entry in reversed(log.entries) if isinstance(entry, Claim | Judged)), None)
    if not (isinstance(last, Claim) and last.work == "training") or datetime.now(UTC) - last.made_at > timedelta(
        days=1
    ):
        return []
    return [f"a training as of {day(last.as_of)} began on {last.host} at {last.made_at:%H:%M} UTC, no verdict yet"]
