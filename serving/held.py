"""What a model answers with: champion, predecessor and context, loaded and tried before the first request."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.core.errors import InputError
from tasks.core.handover import ContextTable, ServedChampion, ServingContext, Version, context_file
from tasks.core.store import sha256, store
from tasks.core.use_case import UseCase
from tasks.features.index import Index, Values
from tasks.inference.bundle import load_bundle
from tasks.inference.scorer import Scorer, to_inputs

BOTH = "run the endpoint with the code of the batch side"


class Held(NamedTuple):
    """All that an answer is made of; it is replaced as one, so no answer mixes two versions."""

    champion: ServedChampion
    context: ServingContext
    scorer: Scorer
    before: Scorer | None  # of the predecessor
    index: Index
    since: datetime  # when this version began to answer

    @property
    def version(self) -> str:
        return self.champion.champion.version


def read_handover(model: str) -> tuple[ServedChampion, ServingContext] | None:
    """What the batch side handed over last; None before the first promotion.

    Raises:
        InputError: The store cannot be read.
    """
    champion, context = ServedChampion.read(model), ServingContext.read(model)
    return (champion, context) if champion and context else None


def load(use_case: UseCase, champion: ServedChampion, context: ServingContext, old: Held | None) -> Held:
    """Load what was handed over and answer one row with it; what did not change is taken from `old`.

    Raises:
        InputError: A file is missing, changed or of another contract, or it cannot answer.
    """
    same = old and old.champion.champion == champion.champion
    scorer = old.scorer if old and same else load_scorer(champion.champion)
    before = load_predecessor(champion.predecessor, old)
    index = old.index if old and old.context.tables == context.tables else load_index(use_case, context)
    since = old.since if old and same else datetime.now(UTC)
    held = Held(champion, context, scorer, before, index, since)
    warm_up(use_case, held)
    return held


def load_scorer(version: Version) -> Scorer:
    """A version whose files are those that were registered and which scores its probe rows as it did then."""
    return load_bundle(version.bundle, version.digests).scorer


def load_predecessor(version: Version | None, old: Held | None) -> Scorer | None:
    """The version before; without its files the champion answers alone."""
    if version is None:
        return None
    if old and old.champion.predecessor == version:
        return old.before
    try:
        return load_scorer(version)
    except InputError:
        return None


def load_index(use_case: UseCase, context: ServingContext) -> Index:
    """The rows that features are made of.

    Raises:
        InputError: A table is missing, or of another contract than this code has.
    """
    if missing := use_case.used - context.tables.keys():
        raise InputError(f"the context holds no table {min(missing)}: {BOTH}")
    frames = {name: load_table(use_case, name, table) for name, table in context.tables.items()}
    return Index(use_case.tables, frames)


def load_table(use_case: UseCase, name: str, table: ContextTable) -> pl.DataFrame:
    """The rows of one table."""
    content = store().find(context_file(table.digest))
    if content is None or sha256(content) != table.digest:
        raise InputError(
            f"the context of {name} is missing or damaged: the next ingest or `ml tidy` hands it over again"
        )
    rows = pl.read_parquet(io.BytesIO(content))
    if name not in use_case.tables or rows.schema != use_case.tables[name].empty.schema:
        raise InputError(f"the context of {name} is not as project/contract.py declares it: {BOTH}")
    return rows


def warm_up(use_case: UseCase, held: Held) -> None:
    """Answer a row, so that what is made on first use is there, and what cannot answer is found out."""
    rows = held.index.frames[use_case.rows].tail(1)
    features = use_case.feature_values(rows, held.index)
    if missing := held.scorer.missing(features):
        raise InputError(
            f"version {held.version} needs the feature {min(missing)!r}, which this code does not make: {BOTH}"
        )
    score_features(held, features)


class Scores(NamedTuple):
    """The scores of rows, and those of the predecessor where it can score them."""

    scores: list[float]
    before: list[float | None] | None


def score_features(held: Held, features: Mapping[str, Values]) -> Scores:
    """The scores of rows by their features, each a number.

    Raises:
        InputError: One is none.
    """
    inputs = to_inputs(features)
    scores = held.scorer.run(inputs)
    if not np.isfinite(scores).all():
        raise InputError("the model gives no finite score")
    if held.before is None or held.before.missing(inputs):
        return Scores(scores.tolist(), None)
    return Scores(scores.tolist(), [found if isfinite(found) else None for found in held.before.run(inputs).tolist()])
