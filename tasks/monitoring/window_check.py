"""A check of one window: drift of inputs and scores, and quality where labels have arrived."""

import numpy as np
import polars as pl
from prefect import task

from tasks.core.params import Monitor
from tasks.data.feature_frame import watched_columns
from tasks.evaluation.intervals import mean_gain
from tasks.evaluation.metrics import compute_metrics, losses, to_truth
from tasks.inference.bundle import Bundle
from tasks.inference.prediction_log import key_text, read_predictions
from tasks.monitoring.drift import REFERENCES, Reference, find_drift
from tasks.monitoring.window import Quality, Window, WindowCheck, reject_window
from tasks.registry.versions import Champion

SCORE = "score"  # the column of predictions, whose drift is shown and does not count


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
        alarm_from=monitor.min_columns,
        missing=[f.column for f in findings if f.missing - f.missing_before > monitor.missing_rise],
        quality=measure_quality(model, rows, champion, predecessor, monitor, threshold),
    )


def read_references(bundle: Bundle) -> dict[str, Reference]:
    """How each watched column was distributed when the version was fitted."""
    return REFERENCES.validate_json(bundle.files["drift.json"])


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
        features = labelled.drop("score")  # of both as they are known now: late data would weigh on the champion alone
        before, now = (losses(target, each.bundle.scorer.score(features)) for each in (predecessor, champion))
        days = labelled["event_time"].dt.epoch("d").to_numpy()
        gain = mean_gain(before - now, days, monitor.confidence)
        gain = gain if np.isfinite(gain).all() else None  # of a single day there is no interval
    metrics = compute_metrics(np.asarray(target), score, threshold)
    return Quality(rows=labelled.height, metrics=metrics, predecessor=predecessor and predecessor.version, gain=gain)
