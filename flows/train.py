"""Train a challenger and let it take the champion's place only on evidence."""

import argparse
from datetime import datetime

import polars as pl
from prefect import flow

from tasks.core.errors import told_in_one_sentence
from tasks.core.naming import name_run
from tasks.core.params import Params
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import resolve_as_of
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.evaluation.checks import require_fit
from tasks.evaluation.gate import Verdict, hold_for_review
from tasks.monitoring.retrain_policy import Cause, Request
from tasks.monitoring.rounds import decide, find_challenger, one_at_a_time, require_reason, training_key
from tasks.monitoring.watch import describe_reference
from tasks.monitoring.windows import WindowName
from tasks.operations.artifacts import report_data, report_verdict
from tasks.registry.champion import load_champion
from tasks.registry.promotion import promote_version
from tasks.registry.review import request_review, settle_reviews
from tasks.training.challenger import (
    Challenger,
    convert_model,
    describe_training,
    judge_challenger,
    register_challenger,
)
from tasks.training.fit import fit_model
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
    params: Params = Params.load(),
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
    with one_at_a_time(params.model):
        settle_reviews(params.model)
        snapshot = pull_snapshot(data_rev, params.data)
        request = Request(resolve_as_of(as_of, snapshot, params.clock), cause, window, force, reason)
        require_reason(request)
        rows = read_rows(snapshot, request.as_of, params)
        if refusal := decide(request, rows, params):
            print(f"not trained: {refusal}")
            return None
        challenger = find_or_train(rows, snapshot, request, params)
        verdict, version = challenger.verdict, challenger.version
        if verdict.decision == "pending":
            request_review(params.model, challenger, request.as_of, params.promotion.patience)
        if verdict.decision == "promote":
            promote_version(params.model, version, challenger.judged_against, request.as_of, verdict.reason)
    return verdict


def read_rows(snapshot: Snapshot, as_of: datetime, params: Params) -> pl.DataFrame:
    """The labelled rows to train and judge on, enough of them and fit for the gate."""
    frame, counts = build_feature_frame(snapshot, as_of, first_event(as_of, params.split), params.validation)
    report_data(counts, snapshot.version)
    rows = labelled_rows(frame)
    require_fit(params.gate, rows)
    return rows


def find_or_train(rows: pl.DataFrame, snapshot: Snapshot, request: Request, params: Params) -> Challenger:
    """The challenger of these rows, code and settings: that of an earlier run, or a new one."""
    key = training_key(rows, params)
    if known := find_challenger(params.model, key, request.as_of):
        print(f"nothing new since version {known.version} was trained: it stands, {known.verdict.decision}")
        return known
    challenger = train_challenger(rows, snapshot, request, key, params)
    report_verdict(challenger)
    print(f"version {challenger.version}, {challenger.verdict}")
    return challenger


def train_challenger(rows: pl.DataFrame, snapshot: Snapshot, request: Request, key: str, params: Params) -> Challenger:
    """From labelled rows to a registered and judged version."""
    champion = load_champion(params.model, request.as_of)
    sets = split_rows(rows, request.as_of, params.split)
    best = champion and champion.hyperparameters
    tuned = tune_model(sets.train, sets.validation, best, params.tuning, params.seed)
    model = convert_model(fit_model(sets.fit, tuned.hyperparameters, params.seed), sets, params.gate)
    verdict = hold_for_review(judge_challenger(model, champion, sets, params.gate), params.promotion)
    watch = describe_reference(model, sets, params.seed)
    card = describe_training(model, tuned, verdict, champion, sets, watch, snapshot, request, params)
    return register_challenger(model, card, verdict, sets, watch, key)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.train", description=__doc__)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="logical time in UTC, e.g. 2013-06-01")
    parser.add_argument("--data-rev", help="git revision, tag or data version")
    with told_in_one_sentence():
        train(**vars(parser.parse_args()))
