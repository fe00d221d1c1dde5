"""The challenger: converted, judged, and kept as a version with everything that made it."""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from prefect import task
from sklearn.pipeline import Pipeline

from tasks.core.digests import META
from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.core.params import STORE, Gate, Params
from tasks.core.provenance import describe_code, who
from tasks.data.snapshot import Snapshot
from tasks.evaluation.checks import Scores
from tasks.evaluation.gate import Verdict, judge
from tasks.inference.scorer import Scorer
from tasks.monitoring.retrain_policy import Request
from tasks.monitoring.watch import Watch
from tasks.registry import decision_log as logbook
from tasks.registry.bundle import digest_keys, write_bundle
from tasks.registry.champion import Champion
from tasks.registry.versions import register_version
from tasks.training.conversion import check_parity, to_bytes
from tasks.training.split import Sets
from tasks.training.tuning import Tuned

PROBE_ROWS = 20


class Challenger(NamedTuple):
    """A version that was trained and judged."""

    version: str
    verdict: Verdict
    judged_against: str | None  # the champion's version


@task
def convert_model(fitted: Pipeline, sets: Sets, gate: Gate) -> bytes:
    """The fitted pipeline as ONNX bytes that score the gate rows as it does; from here on only they count."""
    features = sets.gate.drop(META)
    model = to_bytes(fitted, features.schema)
    check_parity(fitted, Scorer(model), features, gate.max_unfaithful_share)
    return model


@task
def judge_challenger(model: bytes, champion: Champion | None, sets: Sets, gate: Gate) -> Verdict:
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
        challenger=Scorer(model).score(sets.gate),
        champion=champion.bundle.scorer.score(sets.gate) if champion else None,
        baseline=np.full(sets.gate.height, sets.fit["target"].mean()),
        days=sets.gate["event_time"].dt.epoch("d").to_numpy(),
    )
    return judge(scores, sets.gate.select(gate.slices), gate)


def refuse_seen(who_saw: str, seen: np.ndarray, keys: np.ndarray) -> None:
    """A row that a model was fitted or tuned on cannot judge it."""
    if count := int(np.isin(keys, seen).sum()):
        raise InputError(f"{who_saw} has seen {count} of the {len(keys)} gate rows: the verdict would be worthless")


def describe_training(
    model: bytes,
    tuned: Tuned,
    verdict: Verdict,
    champion: Champion | None,
    sets: Sets,
    watch: Watch,
    snapshot: Snapshot,
    request: Request,
    params: Params,
) -> dict[str, Any]:
    """The card: everything that made this version, and what was found of it."""
    return {
        "model": params.model,
        "sha256": hashlib.sha256(model).hexdigest(),
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
        "importance": watch.importance,
        "params": params.model_dump(mode="json"),
        "verdict": verdict.model_dump(),
        "judged_against": champion and champion.version,
        "by": who(),
        **describe_code(),
    }


@task
def register_challenger(
    model: bytes, card: dict[str, Any], verdict: Verdict, sets: Sets, watch: Watch, key: str
) -> Challenger:
    """Keep the challenger as a version, whatever the verdict, and record the training under its key."""
    name, as_of = card["model"], datetime.fromisoformat(card["as_of"])
    tags = {tag: card[tag] or "" for tag in ("data_version", "sha256", "cause", "window", "by")}
    tags |= {"key": key, "verdict": verdict.decision, "reason": card["reason"][: logbook.TAG_LENGTH]}
    run_id = logbook.open_record(name, "training", as_of, card, **tags)
    settings = {"seed": card["params"]["seed"], **card["hyperparameters"]}
    logbook.log_numbers(run_id, verdict.metrics.get("challenger", {}), settings)
    probe = sets.gate.head(PROBE_ROWS).drop(META)
    folder = STORE / "bundles" / run_id
    digests = write_bundle(folder, model, card, digest_keys(sets.fit), probe, watch.references, watch.sample)
    version = register_version(name, run_id, digests)
    logbook.add_tags(run_id, version=version)
    logbook.close_record(run_id)
    if verdict.decision == "reject":
        facts = {"version": version, "reason": verdict.reason, "as_of": card["as_of"]}
        announce("model.rejected", f"model.{name}", model=name, **facts)
    return Challenger(version, verdict, card["judged_against"])


def interval(rows: Any) -> list[str]:
    """First and last event time of a feature frame."""
    return [rows["event_time"].min().isoformat(), rows["event_time"].max().isoformat()]
