"""Score what the champion has not scored yet: ml predict"""

from datetime import datetime

import polars as pl
from prefect import flow, task

from tasks.core.errors import counted
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import pull_snapshot
from tasks.inference.answers import take_in_answers
from tasks.inference.prediction_log import score_rows
from tasks.operations.bulk import Bulk, score_file
from tasks.operations.naming import name_run
from tasks.operations.run_end import end_as
from tasks.registry.decision_log import read_log
from tasks.registry.versions import load_predecessor, require_champion


@flow(log_prints=True, flow_run_name=name_run)
def predict(
    as_of: datetime | None = None,
    since: datetime | None = None,
    data_rev: str | None = None,
    model: str | None = None,
    params: Params = Prefilled.read(),
) -> int:
    """Score every row since a moment that was not scored before, with the champion of as_of.

    Args:
        as_of: The logical time in UTC; left out, the clock of params.yaml tells, and the last champion scores.
        since: The first event time of interest; left out, predict.backlog before as_of.
        data_rev: A git revision or tag, or a data version; the current data.dvc if left out.
        model: Its name; left out, that of params.yaml, or the only one of project/.
        params: What is changed here wins over the model's settings, for this run only.

    Returns:
        How many rows were scored.
    """
    params = params.current(model)
    use_case = load_use_case(params.model)
    snapshot = pull_snapshot(data_rev, params.data)
    live, as_of = as_of is None, resolve_as_of(as_of, snapshot, use_case, params.clock)
    since = resolve_as_of(since, snapshot, use_case, params.clock) if since else as_of - params.predict.backlog
    log = read_log(params.model)
    moment = None if live else as_of
    champion, before = require_champion(log, moment), load_predecessor(log, moment)
    frame, _ = build_feature_frame(snapshot, use_case, as_of, since, params.validation)
    rows = frame.filter(pl.col("event_time") >= since)
    answered = task(take_in_answers)(use_case, params.serve.log_inputs)
    scorers = champion.bundle.scorer, champion.version, before and before.bundle.scorer
    scored = task(score_rows)(params.model, rows, *scorers, snapshot.version, as_of)
    beside = f", beside {answered:,} answers of endpoints" if answered else ""
    if not scored:
        told = f"all {counted(rows.height, 'row')} since {since:%Y-%m-%d}{beside} were scored already"
        return end_as("NothingNew", told, 0, model=params.model)
    earlier = f"; {rows.height - scored:,} were scored before" if rows.height > scored else ""
    told = f"{counted(scored, 'row')} since {since:%Y-%m-%d}{beside} scored by version {champion.version}{earlier}"
    return end_as("Scored", told, scored, model=params.model)


def predict_file(source: str, target: str, as_of: datetime | None, data_rev: str | None, params: Params) -> None:
    """Score the rows of a file of any size with the champion; a run that was stopped goes on where it was.

    Args:
        source: A parquet file or folder, or s3://bucket/name.
        target: The parquet file of the scores.
        as_of: The logical time in UTC; left out, the clock of params.yaml tells.
        data_rev: A git revision or tag, or a data version; the current data.dvc if left out.
        params: The settings of the model.
    """
    use_case = load_use_case(params.model)
    snapshot = pull_snapshot.fn(data_rev, params.data)
    live, as_of = as_of is None, resolve_as_of(as_of, snapshot, use_case, params.clock)
    champion = require_champion.fn(read_log(params.model), None if live else as_of)
    rows = score_file(source, target, Bulk(use_case, snapshot, champion, as_of, params))
    print(f"{counted(rows, 'row')} scored by version {champion.version}: {target}")


if __name__ == "__main__":
    from flows.cli import main

    main("predict")
