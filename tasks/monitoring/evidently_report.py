"""The Evidently report of a check: its scores and thresholds, drawn with a sample of the rows."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task

from tasks.core.errors import InputError
from tasks.core.files import atomic_write
from tasks.core.params import Monitor
from tasks.core.workspace import workspace
from tasks.data.feature_frame import watched_columns
from tasks.monitoring.drift import SAMPLE_ROWS
from tasks.monitoring.window import Finding, Window, WindowCheck
from tasks.registry.versions import Champion

METHOD = "calibrated_psi"
DATA = re.compile(
    r"<script>\s*var (?P<name>metric_\w+) = (?P<data>.*);\s*var additional_graphs_metric_\w+ = \{\};\s*"
    r"</script>\s*</head>\s*<body>"
)
FOLDED = """<details id="folded" style="font-family: sans-serif; margin: 1rem 2rem">
<summary>{count} columns that did not drift</summary><div id="others"></div></details>
<script>document.getElementById("folded").addEventListener("toggle",
() => window.drawDashboard(others, new Map(), "others"), {{once: true}});</script>"""


def wants_report(check: WindowCheck, monitor: Monitor) -> bool:
    """Whether params.yaml asks for a report of this check; a rejected window has nothing to draw."""
    return not check.rejected and (monitor.report == "always" or (monitor.report == "alarm" and check.alarm))


def report_path(model: str, window: str, version: str) -> Path:
    """Where the report of a window and a version lies, if it was asked for."""
    return workspace().reports / f"{model}-{window}-version-{version}.html"


@task
def render_report(
    model: str, frame: pl.DataFrame, window: Window, champion: Champion, check: WindowCheck, seed: int
) -> None:
    """Write the report of a window as one HTML file that loads nothing."""
    rows = frame.filter(pl.col("event_time") >= window.start, pl.col("event_time") < window.end)
    rows = rows.sample(min(SAMPLE_ROWS, rows.height), seed=seed)
    current = watched_columns(rows).with_columns(score=champion.bundle.scorer.score(rows))
    reference = pl.read_parquet(champion.bundle.files["reference.parquet"])
    html = make_html(reference, current, check.findings, make_header(champion, check, model))
    path = report_path(model, window.name, champion.version)
    with atomic_write(path) as part:
        part.write_text(html)
    print(f"report: {path}")


def make_html(reference: pl.DataFrame, current: pl.DataFrame, findings: list[Finding], header: str) -> str:
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
    return arrange(Report(shown).run(now, before).get_html_str(as_iframe=False), list(drawn.values()), header)


def register_score(findings: dict[str, Finding]) -> None:
    """Register our PSI with Evidently, returning scores already computed on all rows; its sample gives others."""
    import pandas as pd
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def score(_: pd.Series, current: pd.Series, kind: ColumnType, threshold: float) -> tuple[float, bool]:
        finding = findings[str(current.name)]
        return finding.psi, finding.drifted

    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    register_stattest(StatTest(METHOD, "PSI (calibrated)", kinds, default_threshold=0.1), score)


def arrange(html: str, findings: list[Finding], header: str) -> str:
    """Put a header first, each column's score into its title, and fold what did not drift.

    The data of the report, which Evidently writes unescaped into a script, is escaped.

    Args:
        html: As Evidently made it: two counts, then a counter and a picture of each finding.
        findings: In the order in which they are drawn.
        header: HTML.

    Raises:
        InputError: The report is not built as expected; better none than an unsafe one.
    """
    found = DATA.search(html)
    data = json.loads(found["data"]) if found else {"widgets": [{"widgets": []}]}
    counts, drawn = data["widgets"][0]["widgets"][:2], data["widgets"][0]["widgets"][2:]
    if found is None or len(drawn) != 2 * len(findings):
        raise InputError("the Evidently report is not built as expected: it is not written; check its version")
    shown, folded = counts, []
    for finding, *widgets in zip(findings, drawn[::2], drawn[1::2], strict=True):
        widgets[0]["title"] = f"{finding.column}: PSI {finding.psi:.3f}, threshold {finding.threshold:.3f}"
        (shown if finding.drifted else folded).extend(widgets)
    script = f"<script>var {found['name']} = {to_script(shown)}, others = {to_script(folded)};"
    script += f"var additional_graphs_{found['name']} = {{}};</script></head><body>"
    head, tail = html[: found.start()], html[found.end() :]
    return head + script + header + tail.replace("</body>", FOLDED.format(count=len(folded) // 2) + "</body>")


def to_script(widgets: list[Any]) -> str:
    """A dashboard as a script may hold it."""
    group = {"type": "group", "title": "", "size": 2, "id": "columns", "details": "", "widgets": widgets, "alerts": []}
    return json.dumps({"name": "Report", "widgets": [group | {"insights": []}]}).replace("<", "\\u003c")


def make_header(champion: Champion, check: WindowCheck, model: str) -> str:
    """What the report is about, in HTML."""
    fitted, gate = champion.bundle.card["intervals"]["fit"], champion.bundle.card["intervals"]["gate"]
    lines = [
        f"<p><a href='index.html'>All models</a></p><h1>{escape(model)}: window {check.window}</h1>",
        f"<p>{escape(str(check))}</p>",
        f"<p>Current: {check.rows:,} rows of the 28 days before {check.window}. Reference: what version "
        f"{check.version} was fitted and judged on, {fitted[0][:10]} to {gate[1][:10]}.</p>",
    ]
    return f"<header style='font-family: sans-serif; margin: 1rem 2rem'>{''.join(lines)}</header>"
