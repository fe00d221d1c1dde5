"""The page of a window check: quality first, then each column, then the windows before."""

from tasks.monitoring.evidently_report import report_path
from tasks.monitoring.window import WindowCheck
from tasks.operations.markdown import LOOK, report_link, to_table
from tasks.operations.overview import look_over
from tasks.operations.pictures import draw_drift
from tasks.registry.state import Log

SHOWN = 12  # windows


def check_page(log: Log, check: WindowCheck) -> str:
    """What a check found, with the trend over the windows and where the drift report is."""
    parts, report = [], report_path(log.model, check.window, check.version)
    if report.is_file():
        parts += [report_link(report.name, f"Drift report of window {check.window}")]
    if check.quality:
        parts += ["#### Quality of what was served", quality_table(check)]
    if check.findings:
        parts += ["#### Columns, the farthest drifted first", to_table(finding_rows(check))]
        parts += [f"![drift]({draw_drift(check.findings)})"]
    windows = look_over(log).windows[-SHOWN:][::-1]
    if windows:
        parts += ["#### Windows, the newest first", to_table([window.describe() for window in windows])]
    return "\n\n".join(parts)


def quality_table(check: WindowCheck) -> str:
    """Metrics of the champion, and its gain over the version before it."""
    quality = check.quality
    assert quality is not None
    rows = [{"metric": name, f"version {check.version}": f"{value:.4f}"} for name, value in quality.metrics.items()]
    if not quality.gain:
        return to_table(rows)
    worse = "clearly worse" if quality.degraded else "not clearly worse"
    told = f"Mean loss gain over version {quality.predecessor} on the same rows: {quality.gain}: {worse} than it."
    return f"{told}\n\n{to_table(rows)}"


def finding_rows(check: WindowCheck) -> list[dict[str, str]]:
    """A row for each watched column."""
    ordered = sorted(check.findings, key=lambda finding: -finding.psi / finding.threshold)
    return [
        {
            "": LOOK if f.drifted else "",
            "column": f.column,
            "PSI": f"{f.psi:.3f}",
            "threshold": f"{f.threshold:.3f}",
            "missing": f"{f.missing:.1%}",
            "before": f"{f.missing_before:.1%}",
            "new categories": ", ".join(f.new_categories[:5]),
        }
        for f in ordered
    ]
