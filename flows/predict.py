"""Score what the champion has not scored yet: python -m flows.predict"""

import argparse
from datetime import datetime

import polars as pl
from prefect import flow

from tasks.core.errors import told_in_one_sentence
from tasks.core.naming import name_run
from tasks.core.params import Params
from tasks.data.feature_frame import build_feature_frame
from tasks.data.reader import resolve_as_of
from tasks.data.snapshot import pull_snapshot
from tasks.inference.prediction_log import score_rows
from tasks.registry.champion import require_champion


@flow(log_prints=True, flow_run_name=name_run)
def predict(
    as_of: datetime | None = None,
    since: datetime | None = None,
    data_rev: str | None = None,
    params: Params = Params.load(),
) -> int:
    """Score every row since a moment that was not scored before, with the champion of as_of.

    A row whose outcome the data dates at or after as_of is not read: to replay a day as it was, give the data version
    of that day.

    Args:
        as_of: The logical time in UTC; left out, the clock of params.yaml tells.
        since: The first event time of interest; left out, predict.backlog before as_of.
        data_rev: A git revision or tag, or a data version; the current data.dvc if left out.
        params: Anything given here wins over params.yaml, for this run only.

    Returns:
        How many rows were scored.
    """
    snapshot = pull_snapshot(data_rev, params.data)
    as_of = resolve_as_of(as_of, snapshot, params.clock)
    since = resolve_as_of(since, snapshot, params.clock) if since else as_of - params.predict.backlog
    champion = require_champion(params.model, as_of)
    frame, _ = build_feature_frame(snapshot, as_of, since, params.validation)
    scored = score_rows(frame.filter(pl.col("event_time") >= since), champion, as_of)
    print(f"{scored:,} rows since {since:%Y-%m-%d} scored by version {champion.version}")
    return scored


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.predict", description=__doc__)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="logical time in UTC, e.g. 2013-06-01")
    parser.add_argument("--since", type=datetime.fromisoformat, help="first event time, e.g. 2013-05-01")
    parser.add_argument("--data-rev", help="git revision, tag or data version")
    with told_in_one_sentence():
        predict(**vars(parser.parse_args()))
