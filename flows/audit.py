"""Lineage and history of a model version: ml audit [VERSION] [--json]; alone it lists the versions.

--verify tells whether the record is whole: hash chain, anchors, bundles; with --mirror also by what MLflow keeps of it.
"""

from typing import Any

from tasks.core.errors import InputError, counted
from tasks.evaluation.verdict import Verdict
from tasks.operations.options import Json, Model, read_given
from tasks.operations.terminal import say, say_json, say_table
from tasks.registry.audit import list_versions, trace_version
from tasks.registry.decision_log import read_log
from tasks.registry.state import Log
from tasks.registry.tracking import read_head
from tasks.registry.verify import verify_record


def audit(
    version: str | None = None,
    /,
    *,
    verify: bool = False,
    mirror: bool = False,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Print the chain of a version, or a line for each version.

    Args:
        version: Its number; left out, all are listed.
        verify: Whether the record is whole: hash chain, anchors, bundles; exit code 1 if it is not.
        mirror: Compare it with what MLflow keeps of it, too.
    """
    log = read_log(read_given(model).model)
    if verify or mirror:
        verify_log(log, mirror)
        return
    found = trace_version(log, version) if version else list_versions(log)
    if as_json:
        say_json(found)
    elif isinstance(found, dict):
        say(*tell(found))
    elif found:
        say_table([describe(version) for version in found])
    else:
        print("no version yet: `ml train` makes the first")


def verify_log(log: Log, mirrored: bool) -> None:
    """Print whether the record is whole.

    Raises:
        InputError: It is not; what is wrong, line by line.
    """
    if faults := verify_record(log.model, read_head(log.model) if mirrored else None):
        raise InputError("\n".join(faults))
    print(f"the record of {log.model} is whole: {counted(len(log.entries), 'entry', 'entries')}")


def describe(version: dict[str, str]) -> dict[str, str]:
    """A version in a line."""
    said = [version["verdict"], *([version["review"]] if version["review"] else [])]
    shown = {"version": version["version"], "as of": version["as_of"][:10], "verdict": ", ".join(said)}
    return shown | {"by": version["by"], "champion": version["now"]}


def tell(found: dict[str, Any]) -> list[str]:
    """The chain in lines for a person."""
    card, files, served = found["card"], found["files"], found["predictions"]
    dirty = " with local changes" if card["dirty"] else ""
    against = f"version {card['judged_against']}" if card["judged_against"] else "no champion"
    span = f", {served['first']} to {served['last']}" if served["rows"] else ""
    return [
        f"{found['model']} version {found['version']}, model file sha256 {card['sha256']}",
        f"data       version {card['data_version']}, {len(files) if files else 'unknown number of'} files",
        *(f"           {name} {md5}" for name, md5 in (files or {}).items()),
        *(f"{name:<10} {card['rows'][name]:,} rows, {' to '.join(card['intervals'][name])}" for name in card["rows"]),
        f"code       commit {card['commit']}{dirty}, lock {card['lock']}, seed {card['params']['seed']}",
        f"trials     {card['trials']} of study {card['study']}, chosen {card['hyperparameters']}",
        f"verdict    {card['verdict']['decision']}, against {against}",
        *str(Verdict.model_validate(card["verdict"])).splitlines()[1:],
        f"served     {served['rows']:,} predictions{span}",
        *(tell_step(step) for step in found["history"]),
    ]


def tell_step(step: dict[str, str]) -> str:
    """One record in a line."""
    who = f" by {step['who']}" if step["who"] else ""
    why = f": {step['why']}" if step["why"] else ""

    return f"{step['when']}  as of {step['as_of'][:10]}  {step['what']}{who}{why}"


if __name__ == "__main__":
    from flows.cli import main

    main("audit")
