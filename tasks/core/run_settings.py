"""What a run was given: settings beside those of the files, and the model that it is about."""

from collections.abc import Iterator
from typing import Any

Settings = dict[str, Any]  # a value, or a section of values, by name; as JSON


def given_over(mine: Settings, shown: Settings) -> Settings:
    """The settings that differ from those shown; a value is taken whole, also a mapping."""
    found: Settings = {}
    for name, value in mine.items():
        if not isinstance(value, dict):
            found |= {} if name in shown and shown[name] == value else {name: value}
        elif part := {n: v for n, v in value.items() if n not in shown.get(name, {}) or shown[name][n] != v}:
            found[name] = part
    return found


def tell_settings(given: Settings, prefix: str = "") -> Iterator[str]:
    """Each setting as section.name=value."""
    for name, value in given.items():
        if isinstance(value, dict) and not prefix:
            yield from tell_settings(value, f"{name}.")
        else:
            yield f"{prefix}{name}={value}"


def read_form() -> Settings:
    """What the form of this run's deployment was prefilled with; nothing outside of one."""
    from prefect.client.orchestration import get_client  # a rollback in a hurry does not wait for these
    from prefect.runtime import deployment

    if not deployment.id:
        return {}
    with get_client(sync_client=True) as client:
        schema = client.read_deployment(deployment.id).parameter_openapi_schema or {}
    return schema.get("properties", {}).get("params", {}).get("default") or {}


def model_of(event: str) -> str:
    """The model of an entry that an event names as model.NAME.ENTRY; empty if it names none."""
    return event.removeprefix("model.").rpartition(".")[0] if event.startswith("model.") else ""
