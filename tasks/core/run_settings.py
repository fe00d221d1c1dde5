"""What a run was given: settings beside those of the files, and the model that it is about."""

import re
from collections.abc import Iterator
from typing import Any

from tasks.core.errors import InputError

Settings = dict[str, Any]  # a value, or a section of values, by name; as JSON


def differing(settings: Settings, shown: Settings) -> Settings:
    """The settings that differ from those shown, or are not among them; the sections without their others."""
    found: Settings = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            beside = shown.get(name) or {}
            value = {part: v for part, v in value.items() if part not in beside or beside[part] != v}
            found |= {name: value} if value else {}
        elif name not in shown or shown[name] != value:
            found[name] = value
    return found


def only_given(settings: Settings, given: Settings) -> Settings:
    """Of all settings of a run those that it was given, which the others were filled in beside."""
    parts = {name: value for name, value in settings.items() if name in given}
    return {
        name: {part: v for part, v in value.items() if part in given[name]} if isinstance(value, dict) else value
        for name, value in parts.items()
    }


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


def split_event(event: str) -> tuple[str, str]:
    """Model and number of the entry that an event names as model.NAME.ENTRY; both are empty if it names none."""
    found = re.fullmatch(r"model\.(.+)\.([^.]*)", event)
    return (found[1], found[2]) if found else ("", "")


def model_of(event: str, model: str | None) -> str | None:
    """The model that a run is about: that of the event which started it, else the one that it was given.

    Raises:
        InputError: The event names no entry of a log, or one of another model.
    """
    if not event:
        return model or None
    named, _ = split_event(event)
    if not named:
        raise InputError(f"event {event!r} names no entry of a log: give model.NAME.ENTRY")
    if model not in (None, "", named):
        raise InputError(f"event {event!r} is about {named}, but the run was given model {model}: leave one out")
    return named
