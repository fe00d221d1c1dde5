"""The page of a training: the verdict with its evidence, most important first."""

from typing import Any

from tasks.data.validation import Count
from tasks.evaluation.verdict import Verdict
from tasks.operations.artifacts import inert, report_link, to_table
from tasks.operations.pictures import draw_gain
from tasks.registry.state import Log
from tasks.registry.versions import load_version


def training_page(log: Log, version: str) -> str:
    """A version against the champion that it was judged against: what failed, what held, metrics, slices, picture."""
    card = load_version(log, version).card
    asks = [how_to_answer(log, version)] if log.is_pending(version) else []
    home = report_link("index.html", "Home page")
    return "\n\n".join([*asks, *evidence(version, card), home])


def how_to_answer(log: Log, version: str) -> str:
    """What an answer to the review of a version does."""
    asked = log.reviews[version].asked
    there = f"version {asked.champion} stays" if asked.champion else "there is still no champion"
    place = f" in place of version {asked.champion}" if asked.champion else ""
    return (
        f"**A person decides.** Approve: version {version} becomes champion at once{place}; the next predictions are "
        f"its. Reject, or no answer until {asked.until:%Y-%m-%d %H:%M} UTC: {there}. Answer with Resume in "
        f'review/review-on-request, or `ml review {version} approve "why" --model {log.model}`.'
    )


def evidence(version: str, card: dict[str, Any]) -> list[str]:
    """Everything that the gate knew of a version, as paragraphs of markdown."""
    verdict, old = Verdict.model_validate(card["verdict"]), card["judged_against"]
    names = {"challenger": f"version {version}", "champion": f"version {old}, champion", "baseline": "baseline"}
    parts = ["#### Checks, those that do not hold first", to_table(check_rows(verdict))]
    if verdict.metrics:
        parts += [f"#### Metrics on {card['rows']['gate']:,} rows that neither has seen"]
        parts += [to_table(metric_rows(verdict, names))]
    if verdict.gain_by_day:
        parts += [f"![gain by day]({draw_gain(verdict.gain_by_day)})"]
    if verdict.slices:
        parts += ["#### Slices, the worst first: gain over the champion", to_table(slice_rows(verdict))]
    return [*parts, "#### What made it", describe_origin(card)]


def check_rows(verdict: Verdict) -> list[dict[str, str]]:
    """A row for each check, those that do not hold first."""
    return [
        {"": "\u2714" if c.passed else "\u2718", "check": c.name, "measured": c.measured, "required": c.required}
        for c in sorted(verdict.checks, key=lambda check: check.passed)
    ]


def metric_rows(verdict: Verdict, names: dict[str, str]) -> list[dict[str, str]]:
    """A row for each metric, a column for each model under its version."""
    models = {names[model]: measured for model, measured in verdict.metrics.items()}
    return [
        {"metric": metric, **{name: f"{measured[metric]:.4f}" for name, measured in models.items()}}
        for metric in verdict.metrics["challenger"]
    ]


def slice_rows(verdict: Verdict) -> list[dict[str, str]]:
    """A row for each slice that had enough rows, the worst first."""
    found = [(gain, column, value) for column, gains in verdict.slices.items() for value, gain in gains.items()]
    rows = verdict.slice_rows
    return [
        {
            "slice": f"{column} {value}",
            "rows": f"{rows[column][value]:,}" if value in rows.get(column, {}) else "",
            "loss gain": f"{gain.difference:+.4f}",
            "interval": f"{gain.low:+.4f} to {gain.high:+.4f}",
        }
        for gain, column, value in sorted(found, key=lambda slice_: slice_[0].difference)
    ]


def describe_origin(card: dict[str, Any]) -> str:
    """Data, cause and code of a version in a paragraph."""
    why = f" ({inert(card['reason'])})" if card["reason"] else ""
    told = (
        f"As of {card['as_of'][:16]}, cause {card['cause']}{why}, by {card['by']}; data version "
        f"`{card['data_version']}`, {card['rows']['fit']:,} rows fitted; {card['trials']} trials, "
        f"chosen `{card['hyperparameters']}`; commit `{card['commit']}`."
    )
    return inert(told, 2000)


def data_page(counts: list[Count], version: str) -> str:
    """How many rows of each table were read, accepted and quarantined, as the end of a page."""
    tables = sorted({count.table for count in counts})
    rows = [total([count for count in counts if count.table == table]) for table in tables]
    return f"\n\n#### Rows of data version `{version}`\n\n{to_table(rows)}"


def total(counts: list[Count]) -> dict[str, str]:
    """One row for a table."""
    read, quarantined = sum(count.read for count in counts), sum(count.quarantined for count in counts)
    rules = sorted({rule for count in counts for rule in count.broken_rules})
    return {
        "table": counts[0].table,
        "read": f"{read:,}",
        "accepted": f"{read - quarantined:,}",
        "quarantined": f"{quarantined:,}",
        "broken rules": ", ".join(rules) or "none",
    }
