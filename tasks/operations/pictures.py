"""One picture a run, as a data URI that the Prefect UI shows."""

import base64
import io
from typing import Any

from tasks.monitoring.drift import Finding


def draw_gain(gain_by_day: dict[str, float]) -> str:
    """Bars of the challenger's mean loss gain by day; above zero is better."""
    figure, axes = start_figure(2.6)
    colors = ["tab:blue" if gain > 0 else "tab:red" for gain in gain_by_day.values()]
    axes.bar([day[5:] for day in gain_by_day], list(gain_by_day.values()), color=colors)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(title="Gain of the challenger by day", ylabel="loss gain (above 0 is better)")
    axes.tick_params(axis="x", rotation=90)
    return as_uri(figure)


def draw_drift(findings: list[Finding]) -> str:
    """How far each column drifted, in units of its own threshold, the farthest first."""
    ordered = sorted(findings, key=lambda finding: finding.psi / finding.threshold)
    figure, axes = start_figure(0.6 + 0.2 * len(ordered))
    names = [finding.column.replace("$", r"\$") for finding in ordered]
    colors = ["tab:red" if finding.drifted else "tab:blue" for finding in ordered]
    axes.barh(names, [finding.psi / finding.threshold for finding in ordered], color=colors)
    axes.axvline(1, color="0.3", linewidth=0.8)
    axes.set(title="Drift: PSI over its calibrated threshold (above 1 has drifted)")
    return as_uri(figure)


def start_figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # takes a while, and most processes draw nothing

    figure = Figure(figsize=(8, height), dpi=90)
    return figure, figure.subplots()


def as_uri(figure: Any) -> str:
    content = io.BytesIO()
    figure.savefig(content, bbox_inches="tight")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
