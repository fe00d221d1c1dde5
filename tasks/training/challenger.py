"""The challenger: one training at a time, none where nothing is new, and a version with everything that made it."""

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from prefect import task

from tasks.core.cache_keys import digest_rows, make_key
from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.locks import exclusive
from tasks.core.params import Gate, Params
from tasks.core.provenance import describe_code, is_reason, who
from tasks.core.store import store
from tasks.core.use_case import META, UseCase
from tasks.data.snapshot import Snapshot
from tasks.evaluation.gate import Scores, judge
from tasks.evaluation.score_summary import summarise_scores
from tasks.evaluation.verdict import Verdict
from tasks.inference.bundle import digest_keys, load_bundle, write_bundle
from tasks.inference.scorer import Scorer
from tasks.registry.decision_log import decide, record, resource_of
from tasks.registry.entries import Claim, Judged
from tasks.registry.review import settle_reviews
from tasks.registry.state import Head, Log
from tasks.registry.versions import Challenger, Champion, load_version
from tasks.training.split import Sets
from tasks.training.tuning import Tuned

PROBE_ROWS = 20
SOURCE = ("tasks/training/*.py", "tasks/evaluation/*.py", "tasks/inference/*.py")  # what makes and judges a challenger

# Excluded from the cache key: no effect, or already in the feature frame.
EXCLUDED: dict[str, Any] = dict.fromkeys(
    ("store", "clock", "data", "ingest", "validation", "predict", "monitor", "retrain"), True
)
EXCLUDED |= {"tuning": {"workers"}, "promotion": {"review_timeout"}}  # the mode decides what a verdict is

Cause = Literal["hand", "drift", "schedule"]


class Request(NamedTuple):
    """Who asks for a training, and why."""

    as_of: datetime
    cause: Cause = "hand"
    window: str | None = None  # that drifted, if an event named one
    force: bool = False  # passes cooldown and minimum rows, and nothing else
    reason: str = ""
    event: str = ""  # the id of the event that asked


@contextmanager
def one_training(model: str) -> Generator[Log]:
    """Wait for other trainings of this model on this machine, close reviews that expired; yields the log."""
    with exclusive(f"training of {model}"):
        yield settle_reviews(model)


def claim_training(log: Log, as_of: datetime) -> None:
    """Record that a training has begun, and tell of one elsewhere, which may do the same; whoever is first decides."""
    mine = Claim(work="training", as_of=as_of, run=os.environ.get("PREFECT__FLOW_RUN_ID", ""))
    last = next((entry for entry in reversed(log.entries) if isinstance(entry, Claim | Judged)), None)
    if isinstance(last, Claim) and last.work == "training" and last.host != mine.host:
        began = f"{last.host} at {last.made_at:%H:%M}"
        print(f"a training as of {last.as_of:%Y-%m-%d} began on {began} and has no verdict yet")
    record(log.model, mine)


def require_reason(force: bool, reason: str) -> None:
    """`force` requires a reason."""
    if force and not is_reason(reason):
        raise InputError("force needs a reason: it is what the record will show")


def training_key(use_case: UseCase, frame: pl.DataFrame, params: Params) -> str:
    """What a challenger and its verdict depend on besides the champion: rows, settings, code and lock."""
    settings = params.model_dump(mode="json", exclude=EXCLUDED)
    return make_key(*SOURCE, *use_case.code, rows=digest_rows(frame), params=settings)


def find_challenger(log: Log, key: str, as_of: datetime) -> Challenger | None:
    """The newest challenger that was trained under this key and either is champion or was judged against it."""
    champion = log.champion(as_of)
    for entry in reversed(log.of(Judged)):
        if entry.key == key and champion in (entry.version, entry.judged_against):
            try:
                verdict = Verdict.model_validate(load_version(log, entry.version).card["verdict"])
            except InputError as damage:
                print(f"version {entry.version} was trained of the same, but cannot be used: {damage}")
                return None
            return Challenger(entry.version, verdict, entry.judged_against)
    return None


@task
def judge_challenger(scorer: Scorer, champion: Champion | None, sets: Sets, gate: Gate) -> Verdict:
    """Score challenger and champion on the same gate rows and decide.

    Raises:
        InputError: Either has seen a gate row, or the champion cannot score these features.
    """
    keys = digest_keys(sets.gate)
    refuse_seen("the challenger", digest_keys(sets.fit), keys)
    if champion:
        refuse_seen(f"champion version {champion.version}", champion.bundle.seen, keys)
    scores = Scores(
        target=sets.gate["target"].to_numpy(),
        challenger=scorer.score(sets.gate),
        champion=champion.bundle.scorer.score(sets.gate) if champion else None,
        baseline=np.full(sets.gate.height, sets.fit["target"].mean()),
        days=sets.gate["event_time"].dt.epoch("d").to_numpy(),
    )
    return judge(scores, sets.gate.select(gate.slices), gate)


def refuse_seen(who_saw: str, seen: np.ndarray, keys: np.ndarray) -> None:
    """Refuse gate rows that the model was fitted or tuned on."""
    if count := int(np.isin(keys, seen).sum()):
        raise InputError(f"{who_saw} has seen {count} of the {len(keys)} gate rows: the verdict would be worthless")


def describe_training(
    scorer: Scorer,
    tuned: Tuned,
    verdict: Verdict,
    champion: Champion | None,
    sets: Sets,
    importance: dict[str, float],
    snapshot: Snapshot,
    request: Request,
    params: Params,
    head: Head,
) -> dict[str, Any]:
    """The card: everything that made this version, and what was found of it."""
    target = sets.gate["target"].to_numpy()
    return {
        "log_head": head._asdict(),  # an anchor: who changes the log before it is found out
        "model": params.model,
        "target": str(sets.fit["target"].dtype),
        "sha256": hashlib.sha256(scorer.model).hexdigest(),
        "as_of": request.as_of.isoformat(),
        "cause": request.cause,
        "window": request.window,
        "force": request.force,
        "reason": request.reason,
        "data_version": snapshot.version,
        "rows": {name: rows.height for name, rows in sets._asdict().items()},
        "intervals": {name: interval(rows) for name, rows in sets._asdict().items()},
        "hyperparameters": tuned.hyperparameters,
        "study": tuned.study,
        "trials": tuned.trials,
        "validation_loss": tuned.loss,
        "importance": importance,
        "scores": summarise_scores(target, scorer.score(sets.gate), sets.gate.select(params.gate.slices)),
        "params": params.model_dump(mode="json"),
        "verdict": verdict.model_dump(),
        "judged_against": champion and champion.version,
        "by": who(),
        **describe_code(),
    }


@task
def register_challenger(
    scorer: Scorer, card: dict[str, Any], verdict: Verdict, sets: Sets, files: dict[str, bytes], key: str
) -> Challenger:
    """Keep the challenger as a version, whatever the verdict, and record the training under its key."""
    model, probe = card["model"], sets.gate.head(PROBE_ROWS).drop(META)
    bundle, digests = write_bundle(scorer, card, digest_keys(sets.fit), probe, files)
    load_bundle(bundle, digests)  # as every later run will
    facts = {name: card[name] for name in ("as_of", "by", "reason", "cause", "window", "data_version", "sha256")}
    facts |= {"decision": verdict.decision, "why": verdict.reason, "judged_against": card["judged_against"]}
    facts |= {"key": key, "bundle": bundle, "digests": digests}
    entry = decide(model, lambda log: Judged.model_validate({"version": log.next_version(), **facts}))
    assert entry is not None
    if verdict.decision == "reject":
        news = {"version": entry.version, "reason": verdict.reason, "as_of": card["as_of"]}
        announce("model.rejected", resource_of(model, entry), model=model, **news)
    print(f"model and model card of version {entry.version}: {store().address}/bundles/{bundle}")
    return Challenger(entry.version, verdict, entry.judged_against)


def interval(rows: Any) -> list[str]:
    """First and last event time of a feature frame."""
    return [rows["event_time"].min().isoformat(), rows["event_time"].max().isoformat()]
