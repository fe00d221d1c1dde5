"""What a run is called in the Prefect UI."""

from prefect.runtime import flow_run


def name_run() -> str:
    """As of when, why, and for which window or version, as far as the run was told."""
    given = flow_run.parameters
    words = []
    if "as_of" in given:
        words.append(f"as of {str(given['as_of'])[:16]}" if given["as_of"] else "as of the newest data")
    words += [f"{what} {given[what]}" for what in ("cause", "window", "version", "champion") if given.get(what)]
    return ", ".join(words)[:100] or flow_run.flow_name
