"""The page of a training: the verdict with its evidence, most important first."""

from typing import Any

from tasks.data.validation import Count
from tasks.evaluation.verdict import Verdict
from tasks.operations.markdown import BAD, GOOD, inert, to_table
from tasks.operations.pictures import draw_gain
from tasks.registry.review import how_to_answer
from tasks.registry.state import Log
from tasks.registry.versions import load_version


def training_page(log: Log, version: str) -> str:
    """A version against the champion that it was judged against: what failed, what held, metrics, slices, picture."""
    card = load_version(log, version).card
    asks = [explain_answer(log, version)] if log.is_pending(version) else []
    return "\n\n".join([*asks, *checks(card), *metrics(version, card), *slices(card), describe_origin(card)])


def explain_answer(log: Log, version: str) -> str:
    """What an answer to the review of a version does."""
    asked = log.reviews[version].asked
    there = f"version {asked.champion} stays" if asked.champion else "there is still no champion"
    place = f" in place of version {asked.champion}" if asked.champion else ""
    return (
        f"**A person decides.** Approve: version {version} becomes champion at once{place}; the next predictions are "
        f"its. Reject, or no answer until {asked.until:%Y-%m-%d %H:%M} UTC: {there}. To answer, "
        f"{how_to_answer(log.model, version)}."
    )


def checks(card: dict[str, Any]) -> list[str]:
    """What the gate checked, what does not hold first."""
    return ["#### Checks, those that do not hold first", to_table(check_rows(Verdict.model_validate(card["verdict"])))]


def metrics(version: str, card: dict[str, Any]) -> list[str]:
    """The metrics of a version, of the champion that it was judged against, and of the baseline."""
    verdict, old = Verdict.model_validate(card["verdict"]), card["judged_against"]
    if not verdict.metrics:
        return []
    title = f"#### Metrics on {card['rows']['gate']:,} rows that neither has seen"
    return [title, to_table(metric_rows(verdict, f"version {version}", f"version {old}, champion"))]


def slices(card: dict[str, Any]) -> list[str]:
    """The gain by day in a picture, and that of each slice."""
    verdict, found = Verdict.model_validate(card["verdict"]), []
    if verdict.gain_by_day:
        found += [f"![gain by day]({draw_gain(verdict.gain_by_day)})"]
    if verdict.slices:
        found += ["#### Slices, the worst first: gain over the champion"]
        found += [to_table(slice_rows(verdict, card.get("scores", {}).get("slices", {})))]
    return found


def check_rows(verdict: Verdict) -> list[dict[str, str]]:
    """A row for each check, those that do not hold first."""
    return [
        {"": GOOD if c.passed else BAD, "check": c.name, "measured": c.measured, "required": c.required}
        for c in sorted(verdict.checks, key=lambda check: check.passed)
    ]


def metric_rows(verdict: Verdict, challenger: str, champion: str) -> list[dict[str, str]]:
    """A row for each metric, a column for each model under its name."""
    names = {"challenger": challenger, "champion": champion, "baseline": "baseline"}
    return [
        {"metric": metric, **{names[model]: f"{of[metric]:.4f}" for model, of in verdict.metrics.items()}}
        for metric in verdict.metrics.get("challenger", {})
    ]


def slice_rows(verdict: Verdict, counted: dict[str, Any]) -> list[dict[str, str]]:
    """A row for each slice that had enough rows, the worst first.

    Args:
        verdict: With the gain of each.
        counted: Rows of each value by column, as the card has them.
    """
    found = [(gain, column, value) for column, gains in verdict.slices.items() for value, gain in gains.items()]
    return [
        {
            "slice": f"{column} {value}",
            "rows": f"{counted.get(column, {}).get(value, {}).get('rows', 0):,}",
            "loss gain": str(gain),
        }
        for gain, column, value in sorted(found, key=lambda slice_: slice_[0].difference)
    ]


def describe_origin(card: dict[str, Any]) -> str:
    """Data, cause and code of a version in a paragraph."""
    why = f" ({card['reason']})" if card["reason"] else ""
    told = (
        f"As of {card['as_of'][:16]}, cause {card['cause']}{why}, by {card['by']}; data version "
        f"`{card['data_version']}`, {card['rows']['fit']:,} rows fitted; {card['trials']} trials, "
        f"chosen `{card['hyperparameters']}`; commit `{card['commit']}`."
    )
    return f"#### What made it\n\n{inert(told, 2000)}"


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
