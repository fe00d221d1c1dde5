"""The Evidently report of a check: its scores and thresholds, drawn with a sample of the rows."""

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from prefect import task

from tasks.core.errors import InputError
from tasks.core.files import atomic_write
from tasks.core.params import Monitor
from tasks.core.workspace import workspace
from tasks.data.feature_frame import watched_columns
from tasks.monitoring.drift import SAMPLE_ROWS, Finding
from tasks.monitoring.window_check import Window, WindowCheck
from tasks.registry.versions import Champion

METHOD = "calibrated_psi"


def wants_report(check: WindowCheck, monitor: Monitor) -> bool:
    """Whether params.yaml asks for a report of this check; a rejected window has nothing to draw."""
    return not check.rejected and (monitor.report == "always" or (monitor.report == "alarm" and check.alarm))


@task
def render_report(
    model: str, frame: pl.DataFrame, window: Window, champion: Champion, check: WindowCheck, seed: int
) -> Path:
    """Write the report of a window as one HTML file that loads nothing; returns its path."""
    rows = frame.filter(pl.col("event_time") >= window.start, pl.col("event_time") < window.end)
    rows = rows.sample(min(SAMPLE_ROWS, rows.height), seed=seed)
    current = watched_columns(rows).with_columns(score=champion.bundle.scorer.score(rows))
    reference = pl.read_parquet(champion.bundle.files["reference.parquet"])
    html = make_html(reference, current, check.findings, f"{model}, window {check.window}")
    path = workspace().reports / f"{model}-{window.name}-version-{champion.version}.html"
    with atomic_write(path) as part:
        part.write_text(html)
    return path


def make_html(reference: pl.DataFrame, current: pl.DataFrame, findings: list[Finding], title: str) -> str:
    """Every column of a check that has values, as Evidently draws it, the farthest drifted first."""
    from evidently import DataDefinition, Dataset, Report, metrics  # it takes seconds to import

    offered: Any = metrics
    drawn = {f.column: f for f in findings if current[f.column].count() and reference[f.column].count()}
    register_score(drawn)
    thresholds = {name: finding.threshold for name, finding in drawn.items()}
    categories = [name for name in thresholds if current.schema[name] == pl.String]
    numbers = [name for name in thresholds if name not in categories]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    sides = [side.select(*drawn).cast({pl.Boolean: pl.Int8}).to_pandas() for side in (current, reference)]
    now, before = (Dataset.from_pandas(side, kinds) for side in sides)
    shown = [offered.DriftedColumnsCount(method=METHOD, per_column_threshold=thresholds)]
    shown += [offered.ValueDrift(column=name, method=METHOD, threshold=least) for name, least in thresholds.items()]
    return make_safe(Report(shown).run(now, before, name=title).get_html_str(as_iframe=False))


def register_score(findings: dict[str, Finding]) -> None:
    """Register our PSI with Evidently, returning scores already computed on all rows; its sample gives others."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def score(_: pd.Series, current: pd.Series, kind: ColumnType, threshold: float) -> tuple[float, bool]:
        finding = findings[str(current.name)]
        return finding.psi, finding.drifted

    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    register_stattest(StatTest(METHOD, "PSI (calibrated)", kinds, default_threshold=0.1), score)


def make_safe(html: str) -> str:
    """Escape the data of the report, which Evidently writes unescaped into a script.

    Raises:
        InputError: The report is not built as expected; better none than an unsafe one.
    """
    start, end = "<script>\n    var metric_", "</script>\n    </head>"
    if html.count(start) != 1 or end not in html:
        raise InputError(
            "the Evidently report is not built as expected: it is not written; check the evidently version"
        )
    head, rest = html.split(start)
    data, tail = rest.rsplit(end, 1)
    return head + start + data.replace("<", "\\u003c") + end + tail
