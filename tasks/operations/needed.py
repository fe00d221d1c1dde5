"""Which data versions have to be kept."""

import json

from tasks.core.errors import InputError
from tasks.core.tables import read_rows
from tasks.data.versions import DATA_VERSIONS, find_current, known_versions, parse_version, read_data_dvc
from tasks.registry.decision_log import DECISIONS


def needed_versions(last: int) -> dict[str, bool]:
    """The versions to keep, and whether something on record stands on each.

    On record stand the current one and those that a model was trained on. As long as they can be had, the newest ones
    are kept, too, those made by hand, and the one that lies in data/.

    Args:
        last: So many of the newest.
    """
    judged = [json.loads(entry) for entry in read_rows(DECISIONS, "kind = 'verdict'", ["entry"])["entry"]]
    trained_on = [entry["data_version"] for entry in judged if entry.get("data_version")]
    by_hand = read_rows(DATA_VERSIONS, "kind = 'adopted'", ["version"])["version"]
    also = dict.fromkeys([*known_versions()[-last:], *by_hand, *placed_version()], False)
    return also | dict.fromkeys([find_current(), *trained_on], True)


def placed_version() -> list[str]:
    """The version that data.dvc names, which may be behind the current one."""
    try:
        return [parse_version(read_data_dvc())]
    except InputError:
        return []
