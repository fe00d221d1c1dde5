"""Late features: do logged scores differ from those on features as they are when all data has come, and by which table?

A row that lands after the prediction that should have known it is in every later training, but was not in that score:
what a model is judged by is then better than what it did.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from prefect import task

from tasks.core.errors import InputError, StoreError
from tasks.core.events import announce
from tasks.core.params import Params
from tasks.core.use_case import UseCase
from tasks.data.context import Context, read_month
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import months
from tasks.data.snapshot import Snapshot
from tasks.evaluation.metrics import compute_metrics
from tasks.inference.prediction_log import key_text, read_predictions
from tasks.inference.scorer import to_inputs
from tasks.monitoring.window import Window
from tasks.registry.versions import Champion

FEWEST = 100  # logged rows of a window
STEP = 0.1  # standard deviations of the scores by which one must differ to count
COSTS = ("roc_auc", "rmse")  # that tell a cost
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LateFeatures(NamedTuple):
    """What late data did to the scores of a window."""

    rows: int
    share: float  # of them whose score differs
    cost: dict[str, float]  # by metric, what the scores on complete features reach beyond those that were logged
    tables: dict[str, float]  # the share that each explains alone, the largest first; empty: not logged

    def __str__(self) -> str:
        late = ", ".join(f"{table} ({share:.0%})" for table, share in self.tables.items())
        cost = ", ".join(f"{name} {value:+.4f}" for name, value in self.cost.items())
        told = f"{self.share:.0%} of {self.rows:,} scores differ from those on complete features"
        return told + (f"; late: {late}" if late else "") + (f"; complete features reach {cost}" if cost else "")


@task
def find_late_features(
    use_case: UseCase,
    snapshot: Snapshot,
    frame: pl.DataFrame,
    champion: Champion,
    window: Window,
    as_of: datetime,
    params: Params,
) -> LateFeatures | None:
    """Compare the champion's logged scores with its scores on features as they are now.

    Args:
        use_case: Contract, target and features.
        snapshot: The data version.
        frame: The feature frame, which holds the window.
        champion: Whose scores are looked at.
        window: Of events.
        as_of: Nothing known at or after it is read.
        params: `monitor.late_share` is the share of scores from which it is told.

    Returns:
        What was found; None where too few rows were logged, or too few scores differ.
    """
    logged = join_logged(use_case.model, frame, champion.version, window)
    if logged.height < FEWEST:
        return None
    complete = champion.bundle.scorer.score(logged)
    step = STEP * complete.std()
    share = differing(logged["score"].to_numpy(), complete, step)
    if share <= params.monitor.late_share:
        return None
    cost = measure_cost(logged, complete, params.gate.threshold)
    tables = blame_tables(use_case, snapshot, logged, champion, step, as_of, params)
    return LateFeatures(logged.height, share, cost, tables)


def join_logged(model: str, frame: pl.DataFrame, version: str, window: Window) -> pl.DataFrame:
    """The rows of a window that a version scored, with `logged`, the key, `score` and `context`."""
    rows = frame.filter(pl.col("event_time") >= window.start, pl.col("event_time") < window.end)
    rows = rows.with_columns(logged=key_text(rows)) if rows.height else rows
    found = read_predictions(model, rows, ["key", "version", "score", "context"])
    own = found.filter(pl.col("version") == version).select("score", "context", logged="key")
    return rows.join(own, on="logged", maintain_order="left") if rows.height else rows


def differing(scores: np.ndarray, others: np.ndarray, step: float) -> float:
    """The share of scores that differ by more than a step."""
    return float(np.mean(np.abs(scores - others) > step)) if len(scores) else 0.0


def measure_cost(logged: pl.DataFrame, complete: np.ndarray, threshold: float) -> dict[str, float]:
    """What scores on complete features reach beyond those that were logged, where outcomes are known."""
    known = logged["target"].is_not_null()
    truth = logged["target"].filter(known)
    if truth.n_unique() < 2:
        return {}
    scores = {"logged": logged["score"].filter(known).to_numpy(), "complete": complete[known.to_numpy()]}
    reached = {name: compute_metrics(truth.to_numpy(), of, threshold) for name, of in scores.items()}
    return {name: reached["complete"][name] - reached["logged"][name] for name in COSTS if name in reached["logged"]}


def blame_tables(
    use_case: UseCase,
    snapshot: Snapshot,
    logged: pl.DataFrame,
    champion: Champion,
    step: float,
    as_of: datetime,
    params: Params,
) -> dict[str, float]:
    """For each table the share of scores that differ when it alone ends where it did when the row was scored."""
    seen = logged.filter(pl.col("context").is_not_null())
    if seen.is_empty():
        return {}
    first = seen.select(pl.col("event_time").min()).item()
    spans = [span for span in months(snapshot, use_case) if span[1] > first]
    parts = [read_month(snapshot, use_case, span, as_of, params.validation) for span in spans]
    found = [scores_without(use_case, context, seen, champion) for context in parts]
    joined = {table: np.concatenate([part[table] for part in found]) for table in found[0]}
    complete = joined.pop("")
    shares = {table: differing(scores, complete, step) for table, scores in joined.items()}
    most = max(shares.values(), default=0.0)
    late = {table: share for table, share in shares.items() if share and share >= most / 2}
    return dict(sorted(late.items(), key=lambda item: -item[1]))


def scores_without(
    use_case: UseCase, context: Context, seen: pl.DataFrame, champion: Champion
) -> dict[str, np.ndarray]:
    """The scores of the rows of a month on all data, under "", and with each table ending where it did then."""
    rows = context.rows.with_columns(logged=key_text(context.rows.select(key=pl.struct(use_case.key))))
    rows = rows.join(seen.select("logged", "context"), on="logged", maintain_order="left")
    ends = [json.loads(text) for text in rows["context"]]
    rows = rows.select(context.rows.columns)
    timed = [table for table in sorted(use_case.used) if all(end.get(table) for end in ends)]
    cuts: dict[str, Mapping[str, np.ndarray]] = {table: {table: to_until(ends, table)} for table in timed}
    return {
        table: champion.bundle.scorer.run(to_inputs(use_case.feature_values(rows, context.index, until=until)))
        for table, until in ({"": {}} | cuts).items()
    }


def to_until(ends: list[dict[str, Any]], table: str) -> np.ndarray:
    """The moment after the newest row of a table that each answer knew, in microseconds."""
    newest = [datetime.fromisoformat(end[table]) for end in ends]
    return np.array([(moment - EPOCH) // timedelta(microseconds=1) + 1 for moment in newest], dtype=np.int64)


def tell_late_features(
    use_case: UseCase, snapshot: Snapshot, champion: Champion, as_of: datetime, params: Params
) -> str:
    """Look for late features among the newest events and emit features.late; returns what was found, or nothing."""
    window = Window(as_of - params.monitor.late_window, as_of)
    try:
        frame, _ = build_feature_frame(snapshot, use_case, as_of, window.start, params.validation)
        found = find_late_features(use_case, snapshot, frame, champion, window, as_of, params)
    except StoreError:
        raise
    except InputError as hindrance:
        print(f"late features are not looked for: {hindrance}")
        return ""
    if found is None:
        return ""
    payload = {"window": window.name, "share": found.share, "tables": list(found.tables), "reason": str(found)}
    announce("features.late", f"data.{use_case.model}.late-features", model=use_case.model, **payload)
    return f"; features were late: {found}"
