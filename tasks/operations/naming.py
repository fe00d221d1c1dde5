"""The name of a run in the Prefect UI; it loads nothing else, for a rollback in a hurry."""

from prefect.runtime import flow_run


def name_run() -> str:
    """The name of a flow run: as of when, why, and for which event or version."""
    given = flow_run.parameters
    words = []
    if "as_of" in given:
        words.append(f"as of {str(given['as_of'])[:16]}" if given["as_of"] else "as of the newest data")
    words += [str(given["model"])] if given.get("model") else []
    words += [f"{what} {given[what]}" for what in ("cause", "event", "version", "champion") if given.get(what)]
    return ", ".join(words)[:100] or flow_run.flow_name
