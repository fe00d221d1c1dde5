"""Train a challenger and let it take the champion's place only on evidence."""

import argparse
from datetime import datetime

import polars as pl
from prefect import flow

from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import UseCase, load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.feature_frame import META, build_feature_frame
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.evaluation.gate import Verdict, hold_for_review, require_fit
from tasks.evaluation.metrics import measure_importance
from tasks.inference.scorer import Scorer
from tasks.monitoring.drift import describe_reference
from tasks.monitoring.retrain_policy import decide
from tasks.monitoring.window_check import WindowName
from tasks.operations.artifacts import name_run, report_data, report_verdict
from tasks.operations.progress import start_progress
from tasks.registry.promotion import promote_challenger
from tasks.registry.review import request_review, settle_reviews
from tasks.registry.versions import Challenger, Log, load_champion
from tasks.training.challenger import (
    Cause,
    Request,
    describe_training,
    find_challenger,
    judge_challenger,
    one_training,
    register_challenger,
    require_reason,
    training_key,
)
from tasks.training.fit import export_model, fit_model
from tasks.training.split import first_event, labelled_rows, split_rows
from tasks.training.tuning import tune_model


@flow(log_prints=True, flow_run_name=name_run)
def train(
    as_of: datetime | None = None,
    data_rev: str | None = None,
    cause: Cause = "hand",
    window: WindowName | None = None,
    force: bool = False,
    reason: str = "",
    params: Params = Prefilled.read(),
) -> Verdict | None:
    """Tune, fit and judge a challenger on one version of the data.

    Args:
        as_of: The logical time in UTC; nothing known at or after it is read. Left out, the clock of params.yaml tells.
        data_rev: A git revision or tag, or a data version; the current data.dvc if left out.
        cause: Who asks; a training that answers drift or a schedule is subject to the policy (retrain in params.yaml).
        window: The window that drifted, as the event names it.
        force: Pass cooldown and minimum rows, never the gate; needs a reason.
        reason: For the record.
        params: Anything given here wins over params.yaml, for this run only.

    Returns:
        The verdict of the gate, with its evidence; None if the policy refused to train.
    """
    params = params.current()
    use_case = load_use_case(params.model)
    with one_training(params.model) as log:
        log = settle_reviews(log)
        snapshot = pull_snapshot(data_rev, params.data)
        request = Request(resolve_as_of(as_of, snapshot, use_case, params.clock), cause, window, force, reason)
        require_reason(request)
        rows = read_rows(snapshot, use_case, request.as_of, params)
        if refusal := decide(request, log, rows, params.retrain):
            print(f"not trained: {refusal}")
            return None
        challenger = find_or_train(log, rows, snapshot, use_case, request, params)
        if challenger.verdict.decision == "pending":
            request_review(log, challenger, request.as_of, params.promotion.review_timeout)
        if challenger.verdict.decision == "promote":
            promote_challenger(params.model, challenger, request.as_of)
    return challenger.verdict


def read_rows(snapshot: Snapshot, use_case: UseCase, as_of: datetime, params: Params) -> pl.DataFrame:
    """The labelled rows to train and judge on; fails early if the gate's settings do not fit them."""
    since = first_event(as_of, params.split)
    frame, counts = build_feature_frame(snapshot, use_case, as_of, since, params.validation)
    report_data(counts, snapshot.version)
    rows = labelled_rows(frame)
    require_fit(params.gate, rows)
    return rows


def find_or_train(
    log: Log, rows: pl.DataFrame, snapshot: Snapshot, use_case: UseCase, request: Request, params: Params
) -> Challenger:
    """Reuse the challenger that an earlier run trained on the same rows, code and settings, or train one."""
    key = training_key(use_case, rows, params)
    if known := find_challenger(log, key, request.as_of):
        print(f"nothing new since version {known.version} was trained: it stands, {known.verdict.decision}")
        return known
    challenger = train_challenger(log, rows, snapshot, use_case, request, key, params)
    report_verdict(challenger)
    print(f"version {challenger.version}, {challenger.verdict}")
    return challenger


def train_challenger(
    log: Log, rows: pl.DataFrame, snapshot: Snapshot, use_case: UseCase, request: Request, key: str, params: Params
) -> Challenger:
    """From labelled rows to a registered and judged version."""
    as_of, seed = request.as_of, params.seed
    champion = load_champion(log, as_of)
    sets = split_rows(rows, as_of, params.split)
    best, progress = champion and champion.hyperparameters, start_progress("Tuning")
    tuned = tune_model(use_case, sets.train, sets.validation, best, params.tuning, seed, progress)
    model = export_model(fit_model(use_case, sets.fit, tuned.hyperparameters, seed), sets, params.gate)
    verdict = hold_for_review(judge_challenger(model, champion, sets, params.gate), params.promotion)
    reference = describe_reference(model, sets, as_of - params.split.gate, as_of, seed)
    importance = measure_importance(Scorer(model).score, sets.gate.drop(META), sets.gate["target"], seed)
    card = describe_training(model, tuned, verdict, champion, sets, importance, snapshot, request, params)
    return register_challenger(model, card, verdict, sets, reference, key)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.train", description=__doc__)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="logical time in UTC, e.g. 2013-06-01")
    parser.add_argument("--data-rev", help="git revision, tag or data version")
    with exit_on_input_error():
        train(**vars(parser.parse_args()))
