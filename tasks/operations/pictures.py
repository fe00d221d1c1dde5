"""One picture a run, as a data URI that the Prefect UI shows."""

import base64
import io
from datetime import date, timedelta
from typing import Any

from tasks.monitoring.window import Finding

MARGIN = timedelta(days=15)  # beside the first and the last window


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


def draw_calibration(parts: list[dict[str, float]]) -> str:
    """Mean outcome by mean score of ten equal parts of the rows; on the dashed line scores come true."""
    figure, axes = start_figure(3.6)
    predicted, observed = [part["predicted"] for part in parts], [part["observed"] for part in parts]
    ends = [min(predicted + observed), max(predicted + observed)]
    axes.plot(ends, ends, "--", color="0.6")
    axes.plot(predicted, observed, "o-", color="tab:blue")
    axes.set(title="Calibration", xlabel="mean score", ylabel="mean outcome")
    return as_uri(figure)


def draw_scores(histogram: dict[str, list[float]]) -> str:
    """How many rows have which score."""
    figure, axes = start_figure(2.4)
    axes.stairs(histogram["counts"], histogram["edges"], fill=True, color="tab:blue")
    axes.set(title="Scores", ylabel="rows")
    return as_uri(figure)


def draw_importance(rises: dict[str, float]) -> str:
    """By how much the loss rises when a feature is shuffled, the largest first."""
    figure, axes = start_figure(0.8 + 0.2 * len(rises))
    names = [name.replace("$", r"\$") for name in reversed(rises)]
    axes.barh(names, list(reversed(rises.values())), color="tab:blue")
    axes.set(title="Rise of the mean loss when the feature is shuffled")
    return as_uri(figure)


def draw_history(name: str, windows: list[Any], marks: list[tuple[str, str, str]]) -> str:
    """A metric by window, each with its version, and what happened when.

    Args:
        name: Of the metric.
        windows: Checked windows that have it.
        marks: Day, text and color of each move or verdict.
    """
    figure, axes = start_figure(3.4)
    days = [date.fromisoformat(window.window) for window in windows]
    axes.plot(days, [window.metrics[name] for window in windows], "o-", color="tab:blue")
    for day, window in zip(days, windows, strict=True):
        axes.annotate(f"v{window.version}", (day, window.metrics[name]), textcoords="offset points", xytext=(0, 7))
    axes.set_xlim(min([*days, *(date.fromisoformat(day) for day, *_ in marks)]) - MARGIN, max(days) + MARGIN)
    for place, (day, text, color) in enumerate(marks):
        axes.axvline(date.fromisoformat(day), color=color, linewidth=1, linestyle=":")
        axes.annotate(text, (date.fromisoformat(day), 1.02 + 0.07 * (place % 3)), xycoords=("data", "axes fraction"))
        axes.texts[-1].set(color=color, fontsize=8, ha="center")
    axes.set(ylabel=name)
    axes.grid(alpha=0.3)
    figure.autofmt_xdate()
    return as_uri(figure)
