"""What the demo plays: the sample as it would have landed month by month, a bad model, and the chart at the end."""

import shutil
import subprocess
import sys
from datetime import datetime

import polars as pl

from project.contract import TABLES
from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.use_case import META, UseCase
from tasks.core.workspace import workspace
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.evaluation.metrics import compute_metrics
from tasks.inference.prediction_log import key_text, read_predictions
from tasks.monitoring.drift import describe_reference
from tasks.registry.decision_log import read_log, resource_of
from tasks.registry.entries import Checked
from tasks.registry.versions import Challenger, load_champion, require_champion
from tasks.training.challenger import Request, describe_training, judge_challenger, register_challenger
from tasks.training.estimators import DEFAULT
from tasks.training.fit import export_model, fit_model
from tasks.training.split import labelled_rows, split_rows
from tasks.training.tuning import Tuned

FLIGHTS, WEATHER = TABLES["flights"], TABLES["weather"]
HISTORY = ("_late", "_delay", "_delay_age")  # how the names of the features end that a bad model is fitted without


def read_sample(sample: Snapshot) -> dict[str, pl.DataFrame]:
    """The whole year, as the files hold it."""
    months = [path for name, path in sorted(sample.files.items()) if name.startswith("flights/")]
    return {"flights": pl.read_parquet(months), "weather": pl.read_parquet(sample.files["weather.parquet"])}


def known_between(tables: dict[str, pl.DataFrame], start: datetime, end: datetime) -> dict[str, pl.DataFrame]:
    """What became known in [start, end): new flights with the outcomes known by then, late outcomes, and weather."""
    flights = tables["flights"].with_columns(event=FLIGHTS.event_time, known=FLIGHTS.outcomes_known_at)
    new = flights.filter(pl.col("event") >= start, pl.col("event") < end)
    waiting = pl.col("known") >= end
    masked = new.with_columns(pl.when(waiting).then(None).otherwise(name).alias(name) for name in FLIGHTS.outcomes)
    late = flights.filter(pl.col("event") < start, pl.col("known") >= start, pl.col("known") < end)
    weather = tables["weather"].filter(WEATHER.known_at >= start, WEATHER.known_at < end)
    return {"flights": pl.concat([masked, late]).drop("event", "known"), "weather": weather}


def open_season(sample: Snapshot, tables: dict[str, pl.DataFrame], until: datetime) -> None:
    """Make what was known at `until` the workspace's first data version, as a user would: with `dvc add data`."""
    known = known_between(tables, datetime(2013, 1, 1, tzinfo=until.tzinfo), until)
    folder = workspace().data
    if folder.exists():
        raise InputError(f"{folder} exists: the demo plays in a workspace of its own, start it with `make demo`")
    (folder / "flights").mkdir(parents=True)
    for (month,), rows in known["flights"].group_by(FLIGHTS.event_time.dt.strftime("%Y-%m"), maintain_order=True):
        rows.write_parquet(folder / "flights" / f"{month}.parquet")
    known["weather"].write_parquet(folder / "weather.parquet")
    shutil.copyfile(sample.files["planes.parquet"], folder / "planes.parquet")
    (workspace().root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    command = [sys.executable, "-m", "dvc", "add", "--quiet", "data"]
    subprocess.run(command, cwd=workspace().root, check=True)


def deliver(tables: dict[str, pl.DataFrame], start: datetime, end: datetime) -> None:
    """Put what became known in [start, end) into the landing folder, a file for each table."""
    for table, rows in known_between(tables, start, end).items():
        folder = workspace().root / "landing" / table
        folder.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(folder / f"{end:%Y-%m-%d}.parquet")


def train_bad_model(use_case: UseCase, as_of: datetime, params: Params) -> Challenger:
    """A version that was fitted with shuffled history; the gate rejects it, and it is registered all the same."""
    log, snapshot = read_log(params.model), pull_snapshot.fn(None, params.data)
    champion = load_champion.fn(log, as_of)
    frame, _ = build_feature_frame.fn(snapshot, use_case, as_of, None, params.validation)
    sets = split_rows(labelled_rows(frame), as_of, params.split)
    spoiled = sets.fit.with_columns(pl.col(n).shuffle(seed=1) for n in sets.fit.columns if n.endswith(HISTORY))
    scorer = export_model.fn(fit_model.fn(use_case, spoiled, DEFAULT, params.seed), sets, params.gate)
    verdict = judge_challenger.fn(scorer, champion, sets, params.gate)
    reference = describe_reference.fn(scorer.score, sets, as_of - params.split.gate, as_of, params.seed)
    request = Request(as_of, reason="planted by the demo: its history columns were shuffled")
    card = describe_training(scorer, Tuned(DEFAULT), verdict, champion, sets, {}, snapshot, request, params, log.head)
    return register_challenger.fn(scorer, card, verdict, sets, reference, "planted")


def newest_alarm(model: str) -> str:
    """The id by which an event names the newest check that found drift."""
    return resource_of(model, [entry for entry in read_log(model).of(Checked) if entry.alarm][-1])


def compare_months(use_case: UseCase, since: datetime, as_of: datetime, params: Params) -> pl.DataFrame:
    """By month: version, rows, and skill and log loss of what was served and of the first champion (frozen)."""
    frozen = require_champion.fn(read_log(params.model), since)
    snapshot = pull_snapshot.fn(None, params.data)
    frame, _ = build_feature_frame.fn(snapshot, use_case, as_of, since, params.validation)
    rows = labelled_rows(frame)
    served = read_predictions(params.model, rows, ["key", "score", "version"]).rename({"key": "logged"})
    rows = rows.with_columns(logged=key_text(rows)).join(served, on="logged", maintain_order="left").drop("logged")
    months = []
    for (month,), part in rows.group_by(pl.col("event_time").dt.strftime("%Y-%m"), maintain_order=True):
        target = part["target"].to_numpy()
        scores = {"served": part["score"].to_numpy(), "frozen": frozen.bundle.scorer.score(part.drop(META))}
        measured = {name: compute_metrics(target, score, params.gate.threshold) for name, score in scores.items()}
        figures = {f"{n}_{m}": measured[n][m] for n in measured for m in ("skill", "log_loss")}
        months.append({"month": month, "version": part["version"].mode()[0], "rows": part.height, **figures})
    return pl.DataFrame(months)
