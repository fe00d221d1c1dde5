"""What a run shows in the Prefect UI: tables and pictures; text from data is escaped."""

import os
import re
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.artifacts import create_image_artifact, create_link_artifact, create_table_artifact

from tasks.core.events import announce
from tasks.data.merge import Change
from tasks.data.sources import Landed
from tasks.data.validation import Count
from tasks.evaluation.verdict import Verdict
from tasks.features.table import Tables
from tasks.monitoring.check_records import read_check
from tasks.monitoring.window_check import WindowCheck
from tasks.operations.pictures import draw_drift, draw_gain
from tasks.registry.entries import Checked
from tasks.registry.state import Log
from tasks.registry.versions import Challenger

# Where markup, a link, an image or an address begins: split there by a space of no width, it is read as text.
MARKUP = re.compile(r"(?<=<)|(?<=])(?=[(:[])|(?<=:)(?=//)|(?i:(?<=www))(?=\.)|(?=@)")
NO_WIDTH = "\u200b"


def show_table(rows: list[dict[str, str]], key: str, description: str) -> None:
    """A table artifact; whatever its cells hold, the page shows it and does not interpret it."""
    shown = [{inert(name): inert(value) for name, value in row.items()} for row in rows]
    create_table_artifact(shown, key=key, description=description)


@task
def report_data(model: str, counts: list[Count], version: str) -> None:
    """How many rows of each table were read, accepted and quarantined."""
    tables = sorted({count.table for count in counts})
    rows = [total([count for count in counts if count.table == table]) for table in tables]
    show_table(rows, key=f"{model}-data", description=f"Rows of data version `{version}`")


def total(counts: list[Count]) -> dict[str, str]:
    """One line for a table."""
    read, quarantined = sum(count.read for count in counts), sum(count.quarantined for count in counts)
    rules = sorted({rule for count in counts for rule in count.broken_rules})
    return {
        "table": counts[0].table,
        "read": f"{read:,}",
        "accepted": f"{read - quarantined:,}",
        "quarantined": f"{quarantined:,}",
        "broken rules": ", ".join(rules) or "none",
    }


@task
def report_verdict(model: str, challenger: Challenger) -> None:
    """The verdict with every check, and the metrics side by side."""
    verdict = challenger.verdict
    title = f"**{verdict.decision}** version {challenger.version}: {inert(verdict.reason, 1000)}"
    for name, rows in verdict_tables(verdict).items():
        if rows:
            show_table(rows, key=f"{model}-{name.split()[0].lower()}", description=f"{name}. {title}")
    if verdict.gain_by_day:
        picture = draw_gain(verdict.gain_by_day)
        create_image_artifact(picture, key=f"{model}-gain", description=f"Gain by day. {title}")


@task
def report_check(log: Log, check: WindowCheck, report: Path | None) -> None:
    """The verdict of a check column by column, the trend over the past windows, and where the drift report is."""
    rows = [
        {
            "column": f.column,
            "PSI": f"{f.psi:.3f}",
            "threshold": f"{f.threshold:.3f}",
            "missing": f"{f.missing:.1%}",
            "before": f"{f.missing_before:.1%}",
            "new categories": ", ".join(f.new_categories[:5]),
            "drifted": "yes" if f.drifted else "",
        }
        for f in check.findings
    ]
    title = inert(str(check), 1000)
    show_table(rows, key=f"{log.model}-drift", description=title)
    if check.findings:
        create_image_artifact(draw_drift(check.findings), key=f"{log.model}-drift-picture", description=title)
    trend = pl.DataFrame([describe_trend(read_check(past)) for past in log.of(Checked)]).fill_null("")
    show_table(trend.to_dicts(), key=f"{log.model}-trend", description="All windows")
    if report:
        address = os.environ.get("REPORTS_URL", report.parent.as_uri())
        create_link_artifact(
            f"{address}/{report.name}", key=f"{log.model}-report", link_text=f"Drift report of window {check.window}"
        )


def describe_trend(check: WindowCheck) -> dict[str, str]:
    """One line for a window."""
    quality = check.quality
    measured = {name: f"{value:.4f}" for name, value in list(quality.metrics.items())[-3:]} if quality else {}
    drifted = ", ".join(check.drifted) or check.rejected or ""
    degraded = "yes" if quality and quality.degraded else ""
    return {"window": check.window, "version": check.version, "drifted": drifted, **measured, "degraded": degraded}


@task
def report_landing(tables: Tables, changes: list[Change], landed: list[Landed], version: str) -> None:
    """What every landed file did to the data, and the news of each table."""
    rows = [{name.replace("_", " "): str(value) for name, value in change._asdict().items()} for change in changes]
    show_table(rows, key="landing", description=f"New data version `{version}`")
    for change in changes:
        counts = ", ".join(f"{count:,} {name}" for name, count in rows_of(change).items() if count)
        print(f"{change.file}: {counts or 'no rows'}")
    for table in dict.fromkeys(delivery.table for delivery in landed):
        facts = describe_landed(tables, table, [delivery.rows for delivery in landed if delivery.table == table])
        announce("data.landed", f"data.{table}", **facts, data_version=version)


def describe_landed(tables: Tables, table: str, parts: list[pl.DataFrame]) -> dict[str, Any]:
    """How many rows of a table landed, and the first and last time of an event among them."""
    event, rows = tables[table].event_time, sum(part.height for part in parts)
    times = [] if event is None else pl.concat([part.select(event) for part in parts]).to_series().drop_nulls().sort()
    first, last = (times[0].isoformat(), times[-1].isoformat()) if len(times) else (None, None)
    return {"table": table, "rows": rows, "start": first, "end": last}


def rows_of(change: Change) -> dict[str, int]:
    """The counts of a change by name."""
    return {name.replace("_", " "): value for name, value in change._asdict().items() if name not in ("file", "read")}


def as_markdown(rows: list[dict[str, str]]) -> str:
    """A markdown table whose cells are inert."""
    if not rows:
        return "none"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    cells = [[inert(cell).replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def inert(text: str, longest: int = 200) -> str:
    """Text from data, cut, on one line; as it is, but no HTML, link or image in it works on a page."""
    short = text if len(text) <= longest else f"{text[:longest]}..."
    return MARKUP.sub(NO_WIDTH, " ".join(short.split()))


def verdict_tables(verdict: Verdict) -> dict[str, list[dict[str, str]]]:
    """Every check, the metrics and the slices of a verdict by title."""
    checks = [
        {"check": c.name, "measured": c.measured, "required": c.required, "holds": "yes" if c.passed else "NO"}
        for c in verdict.checks
    ]
    names = verdict.metrics.get("challenger", {})
    metrics = [{"metric": n, **{model: f"{v[n]:.4f}" for model, v in verdict.metrics.items()}} for n in names]
    slices = [
        {"slice": f"{column} {value}", "loss gain": f"{g.difference:+.4f} [{g.low:+.4f}, {g.high:+.4f}]"}
        for column, gains in verdict.slices.items()
        for value, g in gains.items()
    ]
    return {"Verdict": checks, "Metrics on the gate rows": metrics, "Slices": slices}
