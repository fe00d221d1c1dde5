"""A check of one window: drift of inputs and scores, and quality where labels have arrived.

A window is the 28 days that end on the first of a month.
"""

from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
from prefect import task
from pydantic import BaseModel, Field

from tasks.core.params import Monitor
from tasks.data.feature_frame import watched_columns
from tasks.evaluation.intervals import mean_gain
from tasks.evaluation.metrics import compute_metrics, losses, to_truth
from tasks.evaluation.verdict import Interval
from tasks.inference.bundle import Bundle
from tasks.inference.prediction_log import key_text, read_predictions
from tasks.monitoring.drift import REFERENCES, Finding, Reference, find_drift
from tasks.registry.versions import Champion

LENGTH = timedelta(days=28)
WindowName = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
SCORE = "score"  # the column of predictions, whose drift is shown and does not count


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
    rejected: str | None = None

    def __str__(self) -> str:
        """The outcome in one line."""
        if self.rejected:
            return f"window {self.window} rejected: {self.rejected}"
        names = f": {', '.join(self.drifted)}" if self.drifted else ""
        columns = "column" if len(self.drifted) == 1 else "columns"
        line = f"window {self.window}, version {self.version}: {len(self.drifted)} {columns} drifted{names}"
        if self.quality:
            measured = ", ".join(f"{name} {self.quality.metrics[name]:.4f}" for name in list(self.quality.metrics)[-3:])
            line += f"; {self.quality.rows:,} labelled predictions, {measured}"
            line += "; DEGRADED" if self.quality.degraded else ""
        return line + ("; ALARM" if self.alarm else "")


@task
def check_window(
    model: str,
    frame: pl.DataFrame,
    window: Window,
    champion: Champion,
    predecessor: Champion | None,
    monitor: Monitor,
    threshold: float,
) -> WindowCheck:
    """Compare a window with what the champion was fitted on, and its predictions with their outcomes."""
    rows = frame.filter(pl.col("event_time") >= window.start, pl.col("event_time") < window.end)
    if rows.is_empty():
        return reject_window(window.name, champion.version, "the window holds no rows")
    columns = watched_columns(rows).with_columns(score=champion.bundle.scorer.score(rows))
    findings = find_drift(columns, read_references(champion.bundle))
    empty = [finding.column for finding in findings if finding.missing == 1 > finding.missing_before]
    if empty:
        return reject_window(window.name, champion.version, f"{', '.join(empty)} is null in every row of the window")
    drifted = [finding.column for finding in findings if finding.drifted and finding.column != SCORE]
    return WindowCheck(
        window=window.name,
        version=champion.version,
        rows=rows.height,
        findings=findings,
        drifted=drifted,
        alarm=len(drifted) >= monitor.min_columns,
        missing=[f.column for f in findings if f.missing - f.missing_before > monitor.missing_rise],
        quality=measure_quality(model, rows, champion, predecessor, monitor, threshold),
    )


def read_references(bundle: Bundle) -> dict[str, Reference]:
    """How each watched column was distributed when the version was fitted."""
    return REFERENCES.validate_json(bundle.files["drift.json"])


def reject_window(window: str, version: str, why: str, alarm: bool = False) -> WindowCheck:
    """The check of a window, by its name, that cannot be compared, or not be read any more."""
    empty = {"rows": 0, "findings": [], "drifted": [], "missing": [], "quality": None}
    return WindowCheck(window=window, version=version, rejected=why, alarm=alarm, **empty)


def measure_quality(
    model: str,
    rows: pl.DataFrame,
    champion: Champion,
    predecessor: Champion | None,
    monitor: Monitor,
    threshold: float,
) -> Quality | None:
    """Outcomes against what the champion predicted; None until enough labels have arrived."""
    logged = read_predictions(model, rows, ["key", "version", "score"])
    own = logged.filter(pl.col("version") == champion.version).select(logged="key", score="score")
    known = rows.filter(pl.col("target").is_not_null())
    kind = champion.bundle.card.get("target") or str(known["target"].dtype)
    known = known.with_columns(to_truth(known["target"]) if kind == "Boolean" else known["target"].cast(pl.Float64))
    if str(known["target"].dtype) != kind:
        print(f"version {champion.version} predicts true or false, and outcomes are no longer 0 or 1: no quality")
        return None
    known = known.with_columns(logged=key_text(known))
    labelled = known.join(own, on="logged", maintain_order="left").drop("logged")
    if labelled.height < monitor.min_labels or labelled["target"].n_unique() < 2:
        return None
    target, score = labelled["target"].to_numpy(), labelled["score"].to_numpy()
    gain = None
    alike = predecessor and predecessor.bundle.card.get("target", kind) == kind
    if predecessor and alike and not predecessor.bundle.scorer.missing(labelled.columns):
        features = labelled.drop("score")
        before = losses(target, predecessor.bundle.scorer.score(features))
        days = labelled["event_time"].dt.epoch("d").to_numpy()
        gain = mean_gain(before - losses(target, score), days, monitor.confidence)
        gain = gain if np.isfinite(gain).all() else None  # of a single day there is no interval
    metrics = compute_metrics(np.asarray(target), score, threshold)
    return Quality(rows=labelled.height, metrics=metrics, predecessor=predecessor and predecessor.version, gain=gain)
