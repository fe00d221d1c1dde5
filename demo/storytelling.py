"""How the demo waits for the worker, and what it tells at the end."""

import time
from typing import Any

import polars as pl
from prefect import flow
from prefect.artifacts import create_image_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter

from tasks.core.workspace import workspace
from tasks.operations.pictures import as_uri, start_figure

PATIENCE_SECONDS = 300


def pause_schedules() -> None:
    """Let no schedule start a run in the middle of the story, whatever the time of day."""
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            for schedule in deployment.schedules:
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)


def wait_for_run(deployment: str, event: str | None = None) -> None:
    """Return when a run of a deployment, for an event if one is named, is over."""
    with get_client(sync_client=True) as client:
        found = str(client.read_deployment_by_name(deployment).id)
        chosen = DeploymentFilter.model_validate({"id": {"any_": [found]}})
        for second in range(PATIENCE_SECONDS):
            runs = client.read_flow_runs(deployment_filter=chosen)
            over = [run for run in runs if run.state and run.state.is_final()]
            if any(event in (None, run.parameters.get("event")) for run in over):
                return
            time.sleep(1)
            if second % 5 == 4:
                print("  ... the worker is at it", flush=True)
    raise SystemExit(f"error: {deployment} did not run within {PATIENCE_SECONDS} s; see state/prefect/worker.log")


@flow
def show_chart(months: pl.DataFrame, events: dict[str, str], planted: str) -> None:
    """Draw the chart, into store/skill.png and as an artifact of a run, where the Prefect UI shows it."""
    figure = draw_chart(months, events, planted)
    figure.savefig(workspace().store / "skill.png", bbox_inches="tight")
    create_image_artifact(as_uri(figure), key="skill", description="Skill by month")


def draw_chart(months: pl.DataFrame, events: dict[str, str], planted: str) -> Any:
    """Skill by month, frozen model against the loop, with what happened at the start of each month."""
    figure, axes = start_figure(4.2)
    axes.plot(months["month"], months["frozen_skill"], "o--", color="0.55", label="frozen: the first champion")
    axes.plot(months["month"], months["served_skill"], "o-", color="tab:blue", label="the loop: what was served")
    top = months.select(pl.max_horizontal(pl.max("served_skill", "frozen_skill"))).item()
    for month, text in events.items():
        axes.annotate(text, (month, top * 1.02), ha="center", va="bottom", fontsize=8, color="tab:red")
    at = months["month"].to_list().index(planted)
    axes.axvspan(at - 0.2, at + 0.2, color="tab:red", alpha=0.2)
    axes.set(ylabel="skill (1 - log loss / that of the base rate)", title="Skill by month", ylim=(0, top * 1.2))
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)
    return figure


def tell_figures(months: pl.DataFrame, planted: str) -> None:
    """The table of months, and what the loop gained over the frozen model."""
    print("\nMonth     version   skill: served  frozen   log loss: served  frozen")
    for row in months.iter_rows(named=True):
        mark = "   the planted model" if row["month"] == planted else ""
        print(
            f"{row['month']}   {row['version']:>7}   {row['served_skill']:13.4f} {row['frozen_skill']:7.4f}"
            f"   {row['served_log_loss']:16.4f} {row['frozen_log_loss']:7.4f}{mark}"
        )
    counted = months.filter(pl.col("month") != planted)
    weights = counted["rows"] / counted["rows"].sum()
    gain = float(((counted["frozen_log_loss"] - counted["served_log_loss"]) * weights).sum())
    print(f"Over these months, the planted one left out, the loop gained {gain:.4f} log loss on the frozen model.")


def tell_where() -> None:
    """Where to look next."""
    print("\nWhere to look next")
    print("  make up WORKSPACE=demo/workspace   every run, its cause, verdict and artifacts in the Prefect UI")
    print("  WORKSPACE=demo/workspace .venv/bin/ml audit 2   the chain of a version")
    print(f"  {workspace().store}   skill.png (the chart), reports, bundles, predictions, quarantine")
