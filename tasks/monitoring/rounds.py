"""One round of training at a time, and none where nothing is new."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import polars as pl

from tasks.core.cache_keys import make_key
from tasks.core.digests import digest_rows
from tasks.core.errors import InputError
from tasks.core.locks import only_one
from tasks.core.params import Params
from tasks.evaluation.gate import Verdict
from tasks.monitoring.retrain_policy import Past, Request, why_not
from tasks.registry import decision_log as logbook
from tasks.registry.versions import find_champion
from tasks.training.challenger import Challenger

# Settings that change nothing of a challenger or its verdict, or only by way of the feature frame.
APART: dict[str, Any] = dict.fromkeys(("clock", "data", "ingest", "validation", "predict", "monitor", "retrain"), True)
APART |= {"tuning": {"workers"}, "promotion": {"patience"}}  # the mode decides what a verdict is


@contextmanager
def one_at_a_time(model: str) -> Generator[None]:
    """Wait for other trainings of this model to end; records of those that died are closed as failed."""
    with only_one(f"training of {model}"):
        for record in logbook.find_records(model, "training"):
            if record.info.status == "RUNNING":
                logbook.close_record(record.info.run_id, done=False)
        yield


def require_reason(request: Request) -> None:
    """Who passes the policy by says why."""
    if request.force and not request.reason.strip():
        raise InputError("force needs a reason: it is what the record will show")


def decide(request: Request, rows: pl.DataFrame, params: Params) -> str | None:
    """Ask the policy about a training; a refusal is recorded and its reason returned."""
    past = read_past(params.model, request.as_of)
    since = max(past.trainings, default=None)
    new_rows = rows.filter(pl.col("known_at") >= since).height if since else rows.height
    reason = why_not(request, past, new_rows, params.retrain)
    if reason:
        facts = {"cause": request.cause, "window": request.window or "", "reason": reason}
        logbook.close_record(logbook.open_record(params.model, "refusal", request.as_of, facts, **facts))
    return reason


def read_past(model: str, as_of: datetime) -> Past:
    """What the record says of trainings, rollbacks and checks up to as_of."""
    found: dict[str, list[datetime]] = {"training": [], "rollback": []}
    alarms: dict[str, bool] = {}
    for record in logbook.find_records(model, "check", *found):
        tags, at = record.data.tags, datetime.fromisoformat(record.data.tags["as_of"])
        if record.info.status != "FINISHED" or at > as_of:
            continue
        if tags["kind"] == "check":
            alarms[tags["window"]] = alarms.get(tags["window"], False) or tags["alarm"] == "True"
        else:
            found[tags["kind"]].append(at)
    return Past(found["training"], found["rollback"], dict(sorted(alarms.items())))


def training_key(frame: pl.DataFrame, params: Params) -> str:
    """What a challenger and its verdict depend on besides the champion: rows, recipe, code and lock."""
    return make_key(
        "training/challenger",
        "training/tuning",
        rows=digest_rows(frame),
        params=params.model_dump(mode="json", exclude=APART),
    )


def find_challenger(model: str, key: str, as_of: datetime) -> Challenger | None:
    """The newest challenger that was trained under this key and either is champion or was judged against it."""
    champion = find_champion(model, as_of)
    for record in reversed(logbook.find_records(model, "training")):
        if record.info.status == "FINISHED" and record.data.tags.get("key") == key:
            card, version = logbook.read_evidence(model, record.info.run_id), record.data.tags["version"]
            if champion in (version, card["judged_against"]):
                return Challenger(version, Verdict.model_validate(card["verdict"]), card["judged_against"])
    return None
