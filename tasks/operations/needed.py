"""Which data versions have to be kept."""

import json

from tasks.core.tables import read_rows
from tasks.data.versions import DATA_VERSIONS, find_current, known_versions
from tasks.registry.decision_log import DECISIONS


def needed_versions(last: int) -> list[str]:
    """The versions that a model on record was trained on, the current one, the last ones, and those made by hand.

    Args:
        last: So many of the newest.
    """
    judged = [json.loads(entry) for entry in read_rows(DECISIONS, "kind = 'verdict'", ["entry"])["entry"]]
    trained_on = [entry["data_version"] for entry in judged if entry.get("data_version")]
    by_hand = read_rows(DATA_VERSIONS, "kind = 'adopted'", ["version"])["version"]
    newest = known_versions()[-last:] if last else []
    return list(dict.fromkeys([find_current(), *reversed(newest), *trained_on, *by_hand]))
