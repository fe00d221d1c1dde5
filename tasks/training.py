"""The challenger: converted, judged, and kept as a version with everything that made it."""

import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from prefect import task
from sklearn.pipeline import Pipeline

from tasks import logbook
from tasks.bundle import Bundle, digest_keys, write_bundle
from tasks.checks import Scores
from tasks.conversion import check_parity, to_bytes
from tasks.errors import InputError
from tasks.frame import META
from tasks.gate import Verdict, judge
from tasks.lineage import describe_code, who
from tasks.params import STORE, Gate, Params
from tasks.registry import find_champion, load_version, register_version
from tasks.scoring import Scorer
from tasks.snapshot import Snapshot
from tasks.split import Sets

PROBE_ROWS = 20


class Champion(NamedTuple):
    """The version that was champion at the run's as_of."""

    version: str
    bundle: Bundle
    hyperparameters: dict[str, Any]


class Challenger(NamedTuple):
    """A version that was trained and judged."""

    version: str
    verdict: Verdict
    judged_against: str | None  # the champion's version


@task
def load_champion(model: str, as_of: datetime) -> Champion | None:
    """The champion at as_of, every file checked; None before the first promotion."""
    version = find_champion(model, as_of)
    if version is None:
        return None
    bundle = load_version(model, version)
    return Champion(version, bundle, bundle.card["hyperparameters"])


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
        if missing := champion.bundle.scorer.features.keys() - set(sets.gate.columns):
            raise InputError(
                f"champion version {champion.version} needs the feature {min(missing)!r}, which tasks/features.py no "
                "longer makes: keep it until a challenger without it has won, or choose another model in params.yaml"
            )
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


@task
def register_challenger(
    model: bytes,
    hyperparameters: dict[str, Any],
    verdict: Verdict,
    champion: Champion | None,
    sets: Sets,
    snapshot: Snapshot,
    as_of: datetime,
    key: str,
    params: Params,
) -> Challenger:
    """Keep the challenger as a version, whatever the verdict, and record the training under its key."""
    card = {
        "model": params.model,
        "sha256": hashlib.sha256(model).hexdigest(),
        "as_of": as_of.isoformat(),
        "data_version": snapshot.version,
        "rows": {name: rows.height for name, rows in sets._asdict().items()},
        "intervals": {name: interval(rows) for name, rows in sets._asdict().items()},
        "hyperparameters": hyperparameters,
        "params": params.model_dump(mode="json"),
        "verdict": verdict.model_dump(),
        "judged_against": champion and champion.version,
        "by": who(),
        **describe_code(),
    }
    tags = {"key": key, "verdict": verdict.decision, "data_version": snapshot.version, "sha256": card["sha256"]}
    run_id = logbook.open_record(params.model, "training", as_of, card, **tags)
    logbook.log_numbers(run_id, verdict.metrics.get("challenger", {}), {"seed": params.seed, **hyperparameters})
    probe = sets.gate.head(PROBE_ROWS).drop(META)
    digests = write_bundle(STORE / "bundles" / run_id, model, card, digest_keys(sets.fit), probe)
    version = register_version(params.model, run_id, digests)
    logbook.add_tags(run_id, version=version)
    logbook.close_record(run_id)
    return Challenger(version, verdict, champion and champion.version)


def interval(rows: Any) -> list[str]:
    """First and last event time of a feature frame."""
    return [rows["event_time"].min().isoformat(), rows["event_time"].max().isoformat()]
