"""What a run shows in the Prefect UI."""

from prefect import task
from prefect.artifacts import create_table_artifact

from tasks.training import Challenger
from tasks.validation import Count


@task
def report_data(counts: list[Count], version: str) -> None:
    """How many rows of each table were read, accepted and quarantined."""
    tables = sorted({count.table for count in counts})
    rows = [total([count for count in counts if count.table == table]) for table in tables]
    create_table_artifact(rows, key="data", description=f"Rows of data version `{version}`")


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
def report_verdict(challenger: Challenger) -> None:
    """The verdict with every check, and the metrics side by side."""
    verdict = challenger.verdict
    checks = [
        {"check": c.name, "measured": c.measured, "required": c.required, "holds": "yes" if c.passed else "NO"}
        for c in verdict.checks
    ]
    title = f"**{verdict.decision}** version {challenger.version}"
    create_table_artifact(checks, key="verdict", description=f"{title}: {verdict.reason}")
    names = verdict.metrics.get("challenger", {})
    rows = [{"metric": n, **{model: f"{values[n]:.4f}" for model, values in verdict.metrics.items()}} for n in names]
    create_table_artifact(rows, key="metrics", description=f"{title}: metrics on the gate rows")
