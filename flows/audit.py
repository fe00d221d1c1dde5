"""Lineage and history of a model version: python -m flows.audit [VERSION] [--json]; alone it lists the versions.

--verify tells whether the record is whole: hash chain, anchors, bundles; with --mirror also by what MLflow keeps of it.
"""

import argparse
import json
from typing import Any

from tasks.core.errors import InputError, exit_on_input_error
from tasks.core.params import Params
from tasks.registry.audit import list_versions, trace_version
from tasks.registry.decision_log import read_log
from tasks.registry.tracking import read_head
from tasks.registry.verify import verify_record


def audit(version: str | None, as_json: bool = False, model: str | None = None) -> None:
    """Print the chain of a version, or a line for each version.

    Args:
        version: Its number in the registry; None lists them.
        as_json: All of it, for a machine.
        model: Its name; left out, that of params.yaml, or the only one of project/.
    """
    log = read_log(Params.load(model).model)
    found = trace_version(log, version) if version else list_versions(log)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
    else:
        print("\n".join(tell(found) if isinstance(found, dict) else tell_versions(found)))


def verify(model: str, mirrored: bool) -> None:
    """Print what is wrong with the record, and end with exit code 1 if anything is."""
    faults = verify_record(model, read_head(model) if mirrored else None)
    if faults:
        raise InputError("\n       ".join(faults))
    print(f"the record of {model} is whole: {len(read_log(model).entries):,} entries")


def tell_versions(found: list[dict[str, str]]) -> list[str]:
    """A line for each version."""
    return [
        f"version {v['version']:<4} as of {v['as_of'][:10]}  {verdict(v):<18} by {v['by']}  {v['now']}".rstrip()
        for v in found
    ] or ["no version yet: python -m flows.train makes the first"]


def verdict(version: dict[str, str]) -> str:
    """What the gate said, and a person after it."""
    return f"{version['verdict']}, {version['review']}" if version["review"] else version["verdict"]


def tell(found: dict[str, Any]) -> list[str]:
    """The chain in lines for a person."""
    card, files, served = found["card"], found["files"], found["predictions"]
    dirty = " with local changes" if card["dirty"] else ""
    span = f", {served['first']} to {served['last']}" if served["rows"] else ""
    return [
        f"{found['model']} version {found['version']}, model file sha256 {card['sha256']}",
        f"data      version {card['data_version']}, {len(files) if files else 'unknown number of'} files",
        *(f"          {name} {md5}" for name, md5 in (files or {}).items()),
        *(f"{name:<9} {card['rows'][name]:,} rows, {' to '.join(card['intervals'][name])}" for name in card["rows"]),
        f"code      commit {card['commit']}{dirty}, lock {card['lock']}, seed {card['params']['seed']}",
        f"trials    {card['trials']} of study {card['study']}, chosen {card['hyperparameters']}",
        f"verdict   {card['verdict']['decision']}, against {card['judged_against'] or 'no champion'}",
        *(f"          {c['name']}: {c['measured']}" for c in card["verdict"]["checks"]),
        f"served    {served['rows']:,} predictions{span}",
        *(tell_step(step) for step in found["history"]),
    ]


def tell_step(step: dict[str, str]) -> str:
    """One record in a line."""
    who = f" by {step['who']}" if step["who"] else ""
    why = f": {step['why']}" if step["why"] else ""

    return f"{step['when']}  as of {step['as_of'][:10]}  {step['what']}{who}{why}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.audit", description=__doc__)
    parser.add_argument("version", nargs="?")
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--verify", action="store_true", help="is the record whole? exit code 1 if not")
    parser.add_argument("--mirror", action="store_true", help="with --verify: compare with what MLflow keeps, too")
    parser.add_argument("--model", help="its name in project/")
    given = parser.parse_args()
    with exit_on_input_error():
        if given.verify or given.mirror:
            verify(Params.load(given.model).model, given.mirror)
        else:
            audit(given.version, given.as_json, given.model)
