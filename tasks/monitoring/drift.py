"""Drift of a window against what a model was fitted on: a population stability index, its thresholds from the past.

This score decides; Evidently shows it (tasks/monitoring/evidently_report.py).
"""

from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel

BINS = 10
FLOOR = 1e-4  # of a share, so that an empty bin counts much but not without end
LEAST = 0.1  # no threshold is lower: below it a PSI is held to be small (Siddiqi, 2006)
WEEK = 7
CATEGORIES = 100  # the most frequent; the rest, and whatever is new, share a bin


class Reference(BaseModel):
    """How a column was distributed, and from which score on a window counts as drifted.

    Bins are the nulls, then the values up to each edge and those above, or each category and the others.
    """

    edges: list[float] | None = None
    categories: list[str] | None = None
    shares: list[float]
    threshold: float


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


def fit_references(frame: pl.DataFrame, days: pl.Series) -> dict[str, Reference]:
    """References of all columns, each threshold the largest score of any single week against the other weeks.

    Args:
        frame: String and numeric columns.
        days: The day of each row, counted from any origin.
    """
    weeks = ((days - days.min()) // WEEK).to_numpy()
    references = {}
    for name in frame.columns:
        bins = make_bins(frame[name])
        at = assign(frame[name], bins)
        counts = np.zeros((weeks.max() + 1, count_bins(bins)))
        np.add.at(counts, (weeks, at), 1)
        total = counts.sum(axis=0)
        scores = [psi(to_shares(total - week), to_shares(week)) for week in counts if 0 < week.sum() < total.sum()]
        references[name] = Reference(**bins, shares=to_shares(total).tolist(), threshold=max([LEAST, *scores]))
    return references


def find_drift(frame: pl.DataFrame, references: dict[str, Reference]) -> list[Finding]:
    """The score of each column of a window, largest excess first."""
    findings = []
    for name, reference in references.items():
        bins = reference.model_dump(include={"edges", "categories"})
        shares = to_shares(np.bincount(assign(frame[name], bins), minlength=count_bins(bins)))
        new: list[str] = []
        if reference.categories is not None and len(reference.categories) < CATEGORIES:
            new = sorted(set(frame[name].drop_nulls().unique()) - set(reference.categories))
        findings.append(
            Finding(
                column=name,
                psi=psi(np.array(reference.shares), shares),
                threshold=reference.threshold,
                missing=float(shares[0]),
                missing_before=reference.shares[0],
                new_categories=new,
            )
        )
    return sorted(findings, key=lambda finding: finding.threshold - finding.psi)


def make_bins(column: pl.Series) -> dict[str, Any]:
    """Deciles of a number, or the categories."""
    if column.dtype == pl.String:
        frequent = column.drop_nulls().value_counts(sort=True).head(CATEGORIES)
        return {"categories": sorted(frequent.to_series())}
    values = column.drop_nulls().drop_nans().cast(pl.Float64)
    edges = {float(values.quantile(step / BINS, "lower") or 0) for step in range(1, BINS)} if len(values) else set()
    return {"edges": sorted(edges)}


def count_bins(bins: dict[str, Any]) -> int:
    return 2 + len(bins["categories"] if bins.get("categories") is not None else bins["edges"])


def assign(column: pl.Series, bins: dict[str, Any]) -> np.ndarray:
    """The bin of each value; nulls are bin 0."""
    if bins.get("categories") is not None:
        known = bins["categories"]
        codes = column.replace_strict(known, range(1, len(known) + 1), default=len(known) + 1, return_dtype=pl.UInt32)
        return codes.zip_with(column.is_not_null(), pl.Series([0], dtype=pl.UInt32)).to_numpy()
    values = column.cast(pl.Float64).fill_nan(None)
    at = 1 + np.searchsorted(np.array(bins["edges"]), values.fill_null(0).to_numpy(), side="left")
    return np.where(values.is_null().to_numpy(), 0, at)


def to_shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(counts.sum(), 1)


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """The population stability index of two distributions over the same bins."""
    p, q = np.maximum(reference, FLOOR), np.maximum(current, FLOOR)
    return float(((q - p) * np.log(q / p)).sum())
