"""Train a challenger and let it take the champion's place only on evidence."""

from datetime import datetime
from functools import partial
from typing import Annotated

import polars as pl
from prefect import flow

from tasks.core.params import Params, Prefilled
from tasks.core.sections import FormOf
from tasks.core.use_case import META, UseCase, load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.evaluation.gate import hold_for_review, require_fit
from tasks.evaluation.metrics import measure_importance
from tasks.evaluation.verdict import Verdict
from tasks.monitoring.drift import describe_reference
from tasks.monitoring.retrain_policy import decide, make_request
from tasks.operations.home_page import refresh_home_page
from tasks.operations.model_card import MODEL_CARD, write_model_card
from tasks.operations.naming import name_run
from tasks.operations.progress import Show, progress_bar
from tasks.operations.run_end import end_as, name_training
from tasks.operations.serving import hand_over_contexts
from tasks.operations.training_page import data_page, training_page
from tasks.registry.decision_log import EventId, read_log
from tasks.registry.promotion import promote_challenger
from tasks.registry.review import request_review
from tasks.registry.state import Log
from tasks.registry.tracking import mirror
from tasks.registry.versions import Challenger, load_champion
from tasks.training.challenger import (
    Cause,
    Request,
    claim_training,
    describe_training,
    find_challenger,
    judge_challenger,
    one_training,
    register_challenger,
    training_key,
)
from tasks.training.feature_checks import check_features
from tasks.training.first_look import describe_outcomes, require_suited
from tasks.training.fit import export_model, fit_model
from tasks.training.split import agree_on_kind, first_event, labelled_rows, split_rows
from tasks.training.tuning import tune_model

FORM = ("split", "tuning", "gate", "promotion", "retrain", "validation", "data", "clock", "seed")


@flow(log_prints=True, flow_run_name=name_run)
def train(
    as_of: datetime | None = None,
    data_rev: str | None = None,
    cause: Cause = "hand",
    event: EventId = "",
    force: bool = False,
    reason: str = "",
    model: str | None = None,
    params: Annotated[Params, FormOf(*FORM)] = Prefilled.read(),
) -> Verdict | None:
    """Tune, fit and judge a challenger on one version of the data.

    Args:
        as_of: The logical time in UTC; nothing known at or after it is read. Left out, the clock of params.yaml tells.
        data_rev: A git revision or tag, or a data version; the current data.dvc if left out.
        cause: Who asks; a training that answers drift or a schedule is subject to the policy (retrain in params.yaml).
        event: Of a window that drifted, as model.NAME.ENTRY; window and as_of are those of the entry on record.
        force: Pass cooldown and minimum rows, never the gate; needs a reason.
        reason: For the record.
        model: Its name; left out, that of the event, of params.yaml, or the only one of project/.
        params: What is changed here wins over the model's settings, for this run only.

    Returns:
        The verdict of the gate, with its evidence; None if the policy refused to train.
    """
    params = params.current(model, event)
    use_case = load_use_case(params.model)
    with one_training(params.model) as log, progress_bar(params.model, "features") as show:
        snapshot = pull_snapshot(data_rev, params.data)
        request = make_request(log, resolve_as_of(as_of, snapshot, use_case, params.clock), cause, event, force, reason)
        since = first_event(request.as_of, params.split)
        frame, counts = build_feature_frame(snapshot, use_case, request.as_of, since, params.validation)
        rows = labelled_rows(frame)
        print(describe_outcomes(frame, rows))
        log = read_log(params.model)  # minutes later: another machine may have decided
        if refusal := decide(request, log, rows, params.retrain):
            return end_as("NotTrained", refusal, None, data_page(counts, snapshot.version), params.model)
        key = training_key(use_case, rows, params)
        found = find_challenger(log, key, request.as_of)
        challenger = found or train_challenger(log, rows, snapshot, use_case, request, key, params, show)
        act_on_verdict(challenger, request.as_of, params)
    mirror(done := read_log(params.model))
    refresh_home_page()
    page = training_page(done, challenger.version) + data_page(counts, snapshot.version)
    return end_as(*name_training(log, done, challenger), challenger.verdict, page, params.model)


def train_challenger(
    log: Log,
    rows: pl.DataFrame,
    snapshot: Snapshot,
    use_case: UseCase,
    request: Request,
    key: str,
    params: Params,
    show: Show,
) -> Challenger:
    """From labelled rows to a registered and judged version."""
    as_of, seed = request.as_of, params.seed
    require_fit(params.gate, rows)
    require_suited(rows, as_of, params, first=not log.versions)
    claim_training(log, as_of)
    champion = load_champion(log, as_of)
    sets = split_rows(agree_on_kind(use_case, rows, champion), as_of, params.split)
    check_features(sets, champion)
    best = champion and champion.hyperparameters
    tuned = tune_model(use_case, sets.train, sets.validation, best, params.tuning, seed, partial(show, "tuning"))
    show("fit")
    fitted = fit_model(use_case, sets.fit, tuned.hyperparameters, seed)
    scorer = export_model(fitted, sets, params.gate)
    judged = judge_challenger(scorer, champion, sets, params.gate)
    verdict = hold_for_review(judged, params.promotion)
    show("importance and reference")
    importance = measure_importance(scorer.score, sets.gate.drop(META), sets.gate["target"], seed)
    reference = describe_reference(scorer.score, sets, as_of - params.split.gate, as_of, seed)
    card = describe_training(scorer, tuned, verdict, champion, sets, importance, snapshot, request, params, log.head)
    files = reference | {MODEL_CARD: write_model_card(card).encode()}
    challenger = register_challenger(scorer, card, verdict, sets, files, key)
    print(f"version {challenger.version}, {challenger.verdict}")
    return challenger


def act_on_verdict(challenger: Challenger, as_of: datetime, params: Params) -> None:
    """Promote, ask a person, or leave the champion where it is."""
    if challenger.verdict.decision == "pending":
        request_review(params.model, challenger, as_of, params.promotion.review_timeout)
    if challenger.verdict.decision == "promote":
        promote_challenger(params.model, challenger, as_of)
        hand_over_contexts(params.data)


if __name__ == "__main__":
    from flows.cli import main

    main("train")
