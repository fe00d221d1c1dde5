"""What each feature is made of, and the rows behind the features of one row."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.features.build import Features
from tasks.features.index import KNOWN_AT, Index, Values
from tasks.features.past import Past, Term
from tasks.features.table import POLARS_ERRORS, TIME

POINTS = ("newest", "age")  # measures of a single row
RUNS = 3
TRIED = 2_000  # rows on which sources are changed to see which features follow


class Description(NamedTuple):
    """A feature, where it comes from, and what its terms cost."""

    name: str
    sources: list[str]  # columns of the row, and terms of the past
    nulls: float  # share
    infinite: int  # rows
    milliseconds: float  # CPU time of its terms for all rows; a term that several features share counts for each


class Explanation(NamedTuple):
    """Terms that were found in the same rows, and these rows, newest first, with KNOWN_AT."""

    terms: list[Term]
    rows: pl.DataFrame


def describe_features(features: Features, rows: pl.DataFrame, index: Index) -> list[Description]:
    """Describe each feature; its sources are found by changing one after the other and seeing which features follow.

    Args:
        features: What is described.
        rows: Rows of the table that is predicted.
        index: Of all tables.
    """
    made, past = features.ask(rows, index)
    answers, few = past.answers, past.rows[:TRIED]
    some = {term: values[:TRIED] for term, values in answers.items()}
    sources: dict[str, list[str]] = {name: [] for name in made.columns}
    cost = dict.fromkeys(made.columns, 0.0)
    least = measure_cpu(partial(features.build, rows, index, answers))
    for column in few.columns:
        builds = [partial(features.build, few.with_columns(other), index, some) for other in alter(few[column])]
        for name in find_followers(made, builds):
            sources[name].append(column)
    for term, values in some.items():
        others = [some | {term: values_like(values, altered)} for altered in alter(pl.Series(values))]
        rest = {other: answer for other, answer in answers.items() if answer is not answers[term]}
        spent = max(0.0, measure_cpu(partial(features.build, rows, index, rest)) - least)
        for name in find_followers(made, [partial(features.build, few, index, other) for other in others]):
            sources[name].append(str(term))
            cost[name] += spent
    return [
        Description(
            name=column.name,
            sources=list(dict.fromkeys(sources[column.name])),
            nulls=column.null_count() / max(1, made.height),
            infinite=0 if column.dtype == pl.String else int(column.is_infinite().sum()),
            milliseconds=cost[column.name],
        )
        for column in made
    ]


def explain_row(features: Features, row: pl.DataFrame, index: Index) -> list[Explanation]:
    """The rows of the past behind the features of one row."""
    _, past = features.ask(row, index)
    same: dict[tuple, list[Term]] = {}
    for term in past.answers:
        same.setdefault(where_found(term), []).append(term)
    return [Explanation(terms, rows_behind(past, terms[0])) for terms in same.values()]


def where_found(term: Term) -> tuple:
    """Terms for which this is the same are found in the same rows."""
    if term.measure == "each":
        return term.table, term.measure, term.window
    return term.table, term.key, term.of_outcomes, term.window, term.nth, term.measure in POINTS


def rows_behind(past: Past, term: Term) -> pl.DataFrame:
    """What a term is made of, of a single row asked for, newest first."""
    if term.measure == "each":
        moment = pl.Series(past.at[:1]).cast(TIME).item()
        rows = past.index.known_before(term.table, moment, timedelta(microseconds=term.window))
        known = past.index.tables[term.table].history_time(term.of_outcomes)
        assert known is not None
        return rows.with_columns(known.alias(KNOWN_AT)).sort(KNOWN_AT, descending=True, nulls_last=True)
    found = past.find(term.table, term.key, term.of_outcomes)
    start, end = found.start(term.window)[0], found.end[0]
    if term.measure in POINTS:
        start = found.newest(term.window, term.nth)[0]
        end = start + 1 if start >= 0 else start
    if term.measure == "value":
        start, end = found.first[0], found.first[0] + (found.group[0] >= 0)
    return found.timeline.rows(start, end).reverse()


def find_followers(made: pl.DataFrame, builds: Sequence[Callable[[], pl.DataFrame]]) -> list[str]:
    """The features that differ in one of the builds; one that fails on altered values says nothing."""
    followers = set()
    for build in builds:
        with suppress(Exception, *POLARS_ERRORS):
            other = build()
            followers |= {name for name in made.columns if not made[name][: other.height].equals(other[name])}
    return [name for name in made.columns if name in followers]


def alter(values: pl.Series) -> list[pl.Series]:
    """The values in another order, others of the same type, and nulls."""
    made = [values.shuffle(seed=1), values.clear(len(values))]
    if values.dtype.is_numeric():
        made.append((values.fill_nan(None).fill_null(0) + 1).cast(values.dtype, strict=False))
    elif values.dtype in (pl.Date, pl.Datetime):
        made.append(values.dt.offset_by("25h"))
    elif values.dtype == pl.String:
        made.append(values.fill_null("") + "?")
    elif values.dtype == pl.Boolean:
        made.append(~values)
    return made


def values_like(values: Values, altered: pl.Series) -> Values:
    """Altered values in the form that a term has."""
    if isinstance(values, pl.Series):
        return altered
    return altered.fill_null(np.nan if altered.dtype.is_float() else 0).to_numpy()


def measure_cpu(build: Callable[[], pl.DataFrame]) -> float:
    """Milliseconds of CPU time, the least of a few runs."""
    spent = []
    for _ in range(RUNS):
        start = time.process_time()
        build()
        spent.append(time.process_time() - start)
    return min(spent) * 1e3
