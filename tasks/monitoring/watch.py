"""What a version is watched by: how its columns and scores were distributed, and which features matter."""

from typing import NamedTuple

import numpy as np
import polars as pl
from prefect import task

from tasks.core.digests import META, watched_columns
from tasks.evaluation.metrics import losses
from tasks.inference.scorer import Scorer
from tasks.monitoring.drift import Reference, fit_references
from tasks.training.split import Sets

SAMPLE = 20_000  # rows of the reference that a report shows
IMPORTANCE = 3_000  # gate rows that each feature is shuffled on


class Watch(NamedTuple):
    """References by column and of the score, sample rows of the same columns, and what each shuffled feature costs."""

    references: dict[str, Reference]
    sample: pl.DataFrame
    importance: dict[str, float]


@task
def describe_reference(model: bytes, sets: Sets, seed: int) -> Watch:
    """The reference of a challenger: columns of the rows it was fitted on, scores of the gate rows."""
    scorer = Scorer(model)
    references = fit_references(watched_columns(sets.fit), sets.fit["event_time"].dt.epoch("d"))
    scores = pl.DataFrame({"score": scorer.score(sets.gate)})
    references |= fit_references(scores, sets.gate["event_time"].dt.epoch("d"))
    rows = sets.fit.sample(min(SAMPLE, sets.fit.height), seed=seed)
    sample = watched_columns(rows).with_columns(score=scorer.score(rows))
    return Watch(references, sample, measure_importance(scorer, sets.gate, seed))


def measure_importance(scorer: Scorer, gate: pl.DataFrame, seed: int) -> dict[str, float]:
    """By how much the mean loss rises when a feature is shuffled (Breiman, 2001), largest first."""
    rows = gate.sample(min(IMPORTANCE, gate.height), seed=seed)
    target, features = rows["target"].to_numpy(), rows.drop(META)
    plain = float(losses(target, scorer.score(features)).mean())
    rises = {}
    for name in features.columns:
        shuffled = features.with_columns(features[name].shuffle(seed=seed))
        rises[name] = float(np.mean(losses(target, scorer.score(shuffled)))) - plain
    return dict(sorted(rises.items(), key=lambda rise: -rise[1]))
