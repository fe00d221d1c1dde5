"""Create or update on a Prefect server what automations.yaml describes: python -m tasks.operations.alerts"""

import sys
from typing import Any

import yaml
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL

from stack.local_stack import ROOT

FILE = ROOT / "automations.yaml"


def bring_in_line(specs: list[dict[str, Any]]) -> list[str]:
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
    return {"name": spec["name"], "trigger": spec["trigger"], "actions": [action]}


def upsert(spec: dict[str, Any]) -> None:
    """Create an automation, or change that of the same name; one that somebody switched off stays off."""
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(spec["name"])
        automation = AutomationCore.model_validate(spec | {"enabled": found[0].enabled if found else True})
        if found:
            client.update_automation(found[0].id, automation)
        else:
            client.create_automation(automation)


def main() -> None:
    if not PREFECT_API_URL.value():
        sys.exit("error: no server: set PREFECT_API_URL, or start one with `make up`")
    idle = bring_in_line(yaml.safe_load(FILE.read_text())["automations"])
    print(f"alerts are off ({', '.join(idle)}):" if idle else "alerts are on")
    if idle:
        print("  to hear of them, make a notification block named alerts in the Prefect UI, then `make alerts`")


if __name__ == "__main__":
    main()
