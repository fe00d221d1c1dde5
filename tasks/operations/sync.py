"""Bring a Prefect server in line with prefect.yaml and automations.yaml: python -m tasks.operations.sync

Deploying deletes nothing, so a deployment that was renamed would run under both names: what this folder put on the
server once and these files no longer hold is removed here.
"""

from typing import Any

import yaml
from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL

from tasks.core.errors import InputError, exit_on_input_error
from tasks.core.workspace import CODE

FILES = ("prefect.yaml", "project/deployments.yaml")
TAG = str(CODE)  # marks the automations that this folder may remove


def remove_stale_deployments() -> list[str]:
    """Remove what FILES no longer hold, with its triggers; returns the names."""
    texts = [(CODE / file).read_text() for file in FILES if (CODE / file).is_file()]
    kept = {(d["entrypoint"], d["name"]) for text in texts for d in yaml.safe_load(text)["deployments"] or []}
    with get_client(sync_client=True) as client:
        deployed = [deployment for deployment in client.read_deployments() if is_ours(deployment)]
        stale = [deployment for deployment in deployed if (deployment.entrypoint, deployment.name) not in kept]
        for deployment in stale:
            remove_deployment(client, deployment)
    return [f"{deployment.entrypoint}/{deployment.name}" for deployment in stale]


def is_ours(deployment: DeploymentResponse) -> bool:
    """Whether a deployment runs one of our flows in this folder; others belong to other projects."""
    steps = [step for found in deployment.pull_steps or [] for step in found.values() if isinstance(step, dict)]
    folders = [str(step.get("directory")) for step in steps]
    return str(deployment.entrypoint).startswith("flows.") and str(CODE) in folders


def remove_deployment(client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
    """Delete a deployment and the automations that trigger it."""
    client.delete_resource_owned_automations(f"prefect.deployment.{deployment.id}")
    client.delete_deployment(deployment.id)


def remove_stale_automations(specs: list[dict[str, Any]]) -> list[str]:
    """Remove automations of ours that automations.yaml no longer holds; returns the names."""
    kept = {spec["name"] for spec in specs}
    with get_client(sync_client=True) as client:
        stale = [found for found in client.read_automations() if TAG in found.tags and found.name not in kept]
        for automation in stale:
            client.delete_automation(automation.id)
    return [automation.name for automation in stale]


def sync_automations(specs: list[dict[str, Any]]) -> list[str]:
    """Create or update each automation by its name; returns the names of those that have nobody to notify."""
    blocks, idle = notification_blocks(), []
    for spec in specs:
        block = blocks.get(f"alerts-{spec.get('team')}") or blocks.get("alerts")
        if "actions" not in spec and not block:
            idle.append(spec["name"])
            continue
        upsert(spec if "actions" in spec else with_notification(spec, block))
    return idle


def notification_blocks() -> dict[str | None, str]:
    """The ids of the server's notification blocks by name."""
    with get_client(sync_client=True) as client:
        found = client.read_block_documents(limit=200, include_secrets=False)
    return {b.name: str(b.id) for b in found if b.block_schema and "notify" in b.block_schema.capabilities}


def with_notification(spec: dict[str, Any], block: str | None) -> dict[str, Any]:
    """The automation of an alert; its subject begins with the team that should hear."""
    subject = f"[{spec['team']}] {spec['subject']}"
    action = {"type": "send-notification", "block_document_id": block, "subject": subject, "body": spec["body"]}
    return {**{name: spec[name] for name in ("name", "description", "trigger")}, "actions": [action]}


def upsert(spec: dict[str, Any]) -> None:
    """Create an automation, or change that of the same name; one that somebody switched off stays off."""
    spec = spec | {"tags": [TAG]}
    try:
        found: Any = Automation.read(name=spec["name"])  # typed as if it were awaited
    except ValueError:
        Automation.model_validate(spec).create()
    else:
        Automation.model_validate(spec | {"id": found.id, "enabled": found.enabled}).update()


def main() -> None:
    if not PREFECT_API_URL.value():
        raise InputError("no server: set PREFECT_API_URL, or start one with `make up`")
    specs = yaml.safe_load((CODE / "automations.yaml").read_text())["automations"]
    for name in [*remove_stale_deployments(), *remove_stale_automations(specs)]:
        print(f"removed {name}, which neither {' nor '.join(FILES)} nor automations.yaml holds any more")
    idle = sync_automations(specs)
    print(f"alerts are off ({', '.join(idle)}):" if idle else "alerts are on")
    if idle:
        print("  to hear of them, make a notification block named alerts in the Prefect UI, then `make alerts`")


if __name__ == "__main__":
    with exit_on_input_error():
        main()
