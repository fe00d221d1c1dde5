"""Train a challenger and let it take the champion's place only on evidence."""

import argparse
from datetime import datetime

from prefect import flow

from tasks.data import resolve_as_of
from tasks.errors import told_in_one_sentence
from tasks.gate import Verdict
from tasks.params import Params
from tasks.partitions import build_feature_frame
from tasks.promotion import promote_version
from tasks.registry import is_replay
from tasks.report import report_data, report_verdict
from tasks.snapshot import pull_snapshot
from tasks.split import first_event, split_rows
from tasks.training import convert_model, judge_challenger, load_champion, register_challenger
from tasks.tuning import fit_model, tune_model


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
    snapshot = pull_snapshot(data_rev, params.data)
    as_of = resolve_as_of(as_of, snapshot, params.clock)
    champion = load_champion(params.model, as_of)

    frame, counts = build_feature_frame(snapshot, as_of, first_event(as_of, params.split), params.validation)
    report_data(counts, snapshot.version)
    sets = split_rows(frame, as_of, params.split)

    hyperparameters = tune_model(
        sets.train, sets.validation, champion and champion.hyperparameters, params.tuning, params.seed
    )
    challenger = convert_model(fit_model(sets.fit, hyperparameters, params.seed), sets, params.gate)
    verdict = judge_challenger(challenger, champion, sets, params.gate)
    version = register_challenger(challenger, hyperparameters, verdict, champion, sets, snapshot, as_of, params)
    report_verdict(verdict, version)

    print(f"version {version}, {verdict}")
    if verdict.decision == "promote" and not is_replay(params.model, as_of):
        promote_version(params.model, version, champion and champion.version, as_of, verdict.reason)
    return verdict


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.train", description=__doc__)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="logical time in UTC, e.g. 2013-06-01")
    parser.add_argument("--data-rev", help="git revision, tag or data version")
    with told_in_one_sentence():
        train(**vars(parser.parse_args()))
