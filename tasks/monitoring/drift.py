"""Drift: the population stability index of a window against the training data, with calibrated thresholds.

This score decides; Evidently shows it (evidently_report.py).
"""

import io
from collections.abc import Callable
from datetime import datetime

import numpy as np
import polars as pl
from prefect import task
from pydantic import BaseModel, TypeAdapter, ValidationError

from tasks.core.errors import InputError
from tasks.data.feature_frame import watched_columns
from tasks.monitoring.window import LENGTH, Finding
from tasks.training.split import Sets

BINS = 10
FLOOR = 1e-4  # of a share, so that an empty bin counts much but not without end
LEAST = 0.1  # no threshold is lower: below it a PSI is held to be small (Siddiqi, 2006)
DAYS_PER_WEEK, DAY_SECONDS = 7, 86_400
FEWEST, BLOCKS = 100, 3  # rows of a usual week; blocks of 28 days, without which a week has to do
CATEGORIES = 100  # the most frequent; the rest, and whatever is new, share a bin
SAMPLE_ROWS = 20_000  # of the reference that a report shows


class NumericBins(BaseModel):
    """The nulls and what is not finite, then the values up to each edge and those above."""

    edges: list[float]

    @property
    def count(self) -> int:
        return len(self.edges) + 2

    def assign(self, column: pl.Series) -> np.ndarray:
        """The bin of each value."""
        values = column.cast(pl.Float64)
        values = values.set(~values.is_finite(), None)
        at = 1 + np.searchsorted(np.array(self.edges), values.fill_null(0).to_numpy(), side="left")
        return np.where(values.is_null().to_numpy(), 0, at)


class CategoryBins(BaseModel):
    """The nulls, then each category, then the others."""

    categories: list[str]

    @property
    def count(self) -> int:
        return len(self.categories) + 2

    def assign(self, column: pl.Series) -> np.ndarray:
        """The bin of each value."""
        others = len(self.categories) + 1
        codes = column.replace_strict(self.categories, range(1, others), default=others, return_dtype=pl.UInt32)
        return codes.zip_with(column.is_not_null(), pl.Series([0], dtype=pl.UInt32)).to_numpy()

    def new_in(self, column: pl.Series) -> list[str]:
        """Values that are no category; not told where the categories are only the most frequent ones."""
        if len(self.categories) >= CATEGORIES:
            return []
        return sorted(set(column.drop_nulls().unique()) - set(self.categories))


class Reference(BaseModel):
    """How a column was distributed, and from which score on a window counts as drifted."""

    bins: NumericBins | CategoryBins
    shares: list[float]
    threshold: float


REFERENCES = TypeAdapter(dict[str, Reference])


@task
def describe_reference(
    score: Callable[[pl.DataFrame], np.ndarray], sets: Sets, fit_end: datetime, as_of: datetime, seed: int
) -> dict[str, bytes]:
    """What later windows are compared with: columns of the rows a challenger was fitted on, scores of the gate rows.

    Args:
        score: Of the challenger, row by row.
        sets: Its rows.
        fit_end: When the rows it was fitted on end.
        as_of: When the gate rows end.
        seed: Of the sample rows.

    Returns:
        Files of the bundle by name: the references, and sample rows that a report shows.
    """
    rows, file = sets.fit.sample(min(SAMPLE_ROWS, sets.fit.height), seed=seed), io.BytesIO()
    scores, sample = pl.DataFrame({"score": score(sets.gate)}), watched_columns(rows)
    sample.with_columns(score=score(rows)).write_parquet(file)
    references = fit_references(watched_columns(sets.fit), sets.fit["event_time"], fit_end)
    references |= fit_references(scores, sets.gate["event_time"], as_of)
    return {"drift.json": dump_references(references), "reference.parquet": file.getvalue()}


def dump_references(references: dict[str, Reference]) -> bytes:
    """References as JSON; refused if they do not read back, so that no version is registered that cannot be checked."""
    for name, reference in references.items():
        try:
            read = Reference.model_validate_json(reference.model_dump_json())
        except ValidationError:
            read = None
        if read != reference:
            raise InputError(f"the reference of {name} does not read back as it was: mend the feature {name}")
    return REFERENCES.dump_json(references, indent=2)


def fit_references(frame: pl.DataFrame, times: pl.Series, end: datetime) -> dict[str, Reference]:
    """References of all columns; a threshold is the largest score of one whole week against the rest, at least LEAST.

    Args:
        frame: String and numeric columns.
        times: The event time of each row.
        end: When the rows end. A week that was not over by then, or by the last event, is in no threshold; nor is one
            with less than half the rows of a usual week, such as an outage. Of few rows 28 days stand for a week.
    """
    days = times.dt.epoch("d").to_numpy()
    length = block_length(days)
    blocks = (days - days.min()) // length
    last = min(int(end.timestamp()) // DAY_SECONDS, int(days.max()) + 1)
    whole = (last - int(days.min())) // length
    sizes = np.bincount(blocks)[:whole]
    least = np.median(sizes[sizes > 0]) / 2 if sizes.any() else 1
    usual = [block for block in range(len(sizes)) if sizes[block] >= least]
    references = {}
    for name in frame.columns:
        bins = make_bins(frame[name])
        at, width = bins.assign(frame[name]), bins.count
        counts = np.bincount(blocks * width + at, minlength=(blocks.max() + 1) * width).reshape(-1, width)
        total = counts.sum(axis=0)
        scores = [psi(to_shares(total - block), to_shares(block)) for block in counts[usual] if is_part(block, total)]
        references[name] = Reference(bins=bins, shares=to_shares(total).tolist(), threshold=max([LEAST, *scores]))
    return references


def block_length(days: np.ndarray) -> int:
    """Days of the blocks that are scored: a week; where that holds too few rows for a score, as many as a window."""
    span = int(days.max() - days.min()) + 1
    too_few = len(days) * DAYS_PER_WEEK < FEWEST * span
    return LENGTH.days if too_few and span >= BLOCKS * LENGTH.days else DAYS_PER_WEEK


def find_drift(frame: pl.DataFrame, references: dict[str, Reference]) -> list[Finding]:
    """The score of each column of a window, sorted by how far it lies above its threshold."""
    findings = []
    for name, reference in references.items():
        bins, column = reference.bins, frame[name]
        shares = to_shares(np.bincount(bins.assign(column), minlength=bins.count))
        findings.append(
            Finding(
                column=name,
                psi=psi(np.array(reference.shares), shares),
                threshold=reference.threshold,
                missing=float(shares[0]),
                missing_before=reference.shares[0],
                new_categories=bins.new_in(column) if isinstance(bins, CategoryBins) else [],
            )
        )
    return sorted(findings, key=lambda finding: finding.threshold - finding.psi)


def make_bins(column: pl.Series) -> NumericBins | CategoryBins:
    """Deciles of a number, of which a value that is several of them has a bin of its own; or the categories."""
    if column.dtype == pl.String:
        counts = column.drop_nulls().alias("value").value_counts().sort("count", "value", descending=[True, False])
        return CategoryBins(categories=sorted(counts["value"].head(CATEGORIES)))
    values = column.drop_nulls().cast(pl.Float64)
    values = values.filter(values.is_finite())
    deciles = [float(values.quantile(step / BINS, "lower") or 0) for step in range(1, BINS)] if len(values) else []
    below = {float(np.nextafter(decile, -np.inf)) for decile in deciles if deciles.count(decile) > 1}
    return NumericBins(edges=sorted({*deciles, *below}))


def is_part(block: np.ndarray, total: np.ndarray) -> bool:
    """Whether a block holds some of all rows, and not all."""
    return 0 < block.sum() < total.sum()


def to_shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(counts.sum(), 1)


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """The population stability index of two distributions over the same bins."""
    p, q = np.maximum(reference, FLOOR), np.maximum(current, FLOOR)
    return float(((q - p) * np.log(q / p)).sum())
