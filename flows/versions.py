"""The data versions: ml versions, ml versions use VERSION"""

from typing import Literal

from tasks.core.locks import exclusive
from tasks.core.params import Params
from tasks.data.publish import make_current
from tasks.data.versions import DataVersion, read_versions
from tasks.operations.options import Json, UsageError
from tasks.operations.terminal import say, say_json, say_table

SHOWN = 3  # files of a version


def versions(action: Literal["use"] | None = None, version: str | None = None, /, *, as_json: Json = False) -> None:
    """List the data versions with what each changed; `use` makes an older one current.

    Args:
        action: use.
        version: Its number or its hash, or the beginning of it; left out, the one that data.dvc names.
    """
    if action is None:
        list_versions(read_versions(), as_json)
        return
    if as_json:
        raise UsageError("--json is for the list: ml versions --json")
    with exclusive("ingest"):
        say(f"version {make_current(version, Params.load('').data)} is current; what landed since is taken in again")


def list_versions(found: list[DataVersion], as_json: bool) -> None:
    """Print all versions, the newest last."""
    if as_json:
        say_json([version._asdict() for version in found])
    elif not found:
        say("no version is on record yet: `ml ingest` begins with that of data.dvc")
    else:
        say_table([describe(version) for version in found])
        say("the last one is current; `ml versions use NUMBER` makes another one current")


def describe(version: DataVersion) -> dict[str, str]:
    """A line for a version."""
    changes = [f"{table}: {tell_counts(counts)}" for table, counts in version.changes.items()]
    names = [file["file"] for file in version.files]
    more = [f"and {len(names) - SHOWN:,} more files"] if len(names) > SHOWN else []
    files = ", ".join([*names[:SHOWN], *more])
    return {
        "number": str(version.number),
        "version": version.version.removesuffix(".dir"),
        "made at": f"{version.made_at:%Y-%m-%d %H:%M}",
        "by": version.by,
        "kind": version.kind,
        "what": "; ".join(filter(None, (files, *changes))),
    }


def tell_counts(counts: dict[str, int]) -> str:
    """What changed in a table."""
    told = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count and name != "read"]
    return ", ".join(told) or "no rows"


if __name__ == "__main__":
    from flows.cli import main

    main("versions")
