"""Verdicts as tables for people: few digits, and nothing in them that a page would run."""

import re

from tasks.evaluation.gate import Verdict

# Where markup, a link, an image or an address begins: split there by a space of no width, it is read as text.
MARKUP = re.compile(r"(?<=<)|(?<=])(?=[(:[])|(?<=:)(?=//)|(?i:(?<=www))(?=\.)|(?=@)")
NO_WIDTH = "\u200b"


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
