"""Train a challenger and let it take the champion's place only on evidence."""

import argparse
from datetime import datetime

import polars as pl
from prefect import flow

from tasks.checks import require_fit
from tasks.data import resolve_as_of
from tasks.errors import told_in_one_sentence
from tasks.fitting import fit_model
from tasks.gate import Verdict
from tasks.params import Params
from tasks.partitions import build_feature_frame
from tasks.promotion import promote_version
from tasks.report import report_data, report_verdict
from tasks.rounds import find_challenger, one_at_a_time, training_key
from tasks.snapshot import Snapshot, pull_snapshot
from tasks.split import first_event, split_rows
from tasks.training import Challenger, convert_model, judge_challenger, load_champion, register_challenger
from tasks.tuning import tune_model


@flow(log_prints=True)
def train(as_of: datetime | None = None, data_rev: str | None = None, params: Params = Params.load()) -> Verdict:
    """Tune, fit and judge a challenger on one version of the data.

    Args:
        as_of: The logical time in UTC; nothing known at or after it is read. Left out, the clock of params.yaml tells.
        data_rev: A git revision or tag, or a data version; the current data.dvc if left out.
        params: Anything given here wins over params.yaml, for this run only.

    Returns:
        The verdict of the gate, with its evidence.
    """
    with one_at_a_time(params.model):
        snapshot = pull_snapshot(data_rev, params.data)
        as_of = resolve_as_of(as_of, snapshot, params.clock)
        frame, counts = build_feature_frame(snapshot, as_of, first_event(as_of, params.split), params.validation)
        report_data(counts, snapshot.version)
        require_fit(params.gate, frame)

        key = training_key(frame, params)
        if challenger := find_challenger(params.model, key):
            print(
                f"nothing new since version {challenger.version} was trained: it stands, {challenger.verdict.decision}"
            )
        else:
            challenger = train_challenger(frame, snapshot, as_of, key, params)
            report_verdict(challenger)
            print(f"version {challenger.version}, {challenger.verdict}")

        if challenger.verdict.decision == "promote":
            promote_version(
                params.model, challenger.version, challenger.judged_against, as_of, challenger.verdict.reason
            )
    return challenger.verdict


def train_challenger(frame: pl.DataFrame, snapshot: Snapshot, as_of: datetime, key: str, params: Params) -> Challenger:
    """From a feature frame to a registered and judged version."""
    champion = load_champion(params.model, as_of)
    sets = split_rows(frame, as_of, params.split)
    best = champion and champion.hyperparameters
    hyperparameters = tune_model(sets.train, sets.validation, best, params.tuning, params.seed)
    model = convert_model(fit_model(sets.fit, hyperparameters, params.seed), sets, params.gate)
    verdict = judge_challenger(model, champion, sets, params.gate)
    return register_challenger(model, hyperparameters, verdict, champion, sets, snapshot, as_of, key, params)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.train", description=__doc__)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="logical time in UTC, e.g. 2013-06-01")
    parser.add_argument("--data-rev", help="git revision, tag or data version")
    with told_in_one_sentence():
        train(**vars(parser.parse_args()))
