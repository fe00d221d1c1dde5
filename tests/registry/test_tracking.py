"""MLflow shows what the log says; whatever happens to MLflow, nothing stops, one sentence tells, and it is repaired."""

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from mlflow import MlflowClient

from tasks.core.workspace import workspace
from tasks.registry.decision_log import read_log
from tasks.registry.entries import Checked
from tasks.registry.promotion import promote_by_hand, roll_back
from tasks.registry.state import Log
from tasks.registry.tracking import mirror, read_head
from tasks.registry.verify import verify_record

MODEL, JUNE = "late-arrivals", datetime(2013, 6, 1, tzinfo=UTC)


def bring_up_to_date(whole: bool = False) -> bool:
    return mirror.fn(read_log(MODEL), whole)


def client() -> MlflowClient:
    return MlflowClient(f"sqlite:///{workspace().tracking_database}")


def shown() -> dict[str, str]:
    """What MLflow shows: the aliases, each with the version of the log that it points at."""
    found = {}
    for alias in ("champion", "challenger"):
        version = client().get_model_version_by_alias(MODEL, alias)
        found[alias] = version.tags["version"]
    return found


@pytest.fixture
def mirrored(versions):
    """Version 2 is champion after version 1, and MLflow shows it."""
    promote_by_hand(MODEL, "1", "first", "data")
    promote_by_hand(MODEL, "2", "better", "data")
    assert bring_up_to_date()


def test_versions_aliases_and_files_are_shown_and_a_second_time_changes_nothing(mirrored, tmp_path):
    assert shown() == {"champion": "2", "challenger": "3"}
    version = client().get_model_version(MODEL, "2")
    assert version.description.startswith("version 2 of late-arrivals: promote") and version.source.startswith("runs:/")
    run = client().get_run(version.run_id)
    assert (run.data.tags["kind"], run.data.tags["number"], run.info.status) == ("verdict", "2", "FINISHED")
    files = {file.path for file in client().list_artifacts(version.run_id, "bundle")}
    assert files == {f"bundle/{name}" for name in ("card.json", "model.onnx", "probe.parquet", "seen.parquet")}
    before = everything()
    assert bring_up_to_date() and bring_up_to_date(whole=True) and everything() == before


def everything() -> tuple:
    (experiment,) = client().search_experiments(filter_string=f"name = '{MODEL}'")
    runs = client().search_runs([experiment.experiment_id])
    versions = client().search_model_versions(f"name='{MODEL}'")
    return sorted(run.info.run_id for run in runs), sorted((v.version, v.tags["version"]) for v in versions)


def test_a_rollback_is_shown_by_the_next_training_or_check(mirrored):
    roll_back(MODEL, "worse", "data")
    assert shown()["champion"] == "2"
    assert bring_up_to_date() and shown()["champion"] == "1"


def test_what_was_moved_or_deleted_by_hand_is_repaired(mirrored):
    client().set_registered_model_alias(MODEL, "champion", "3")
    client().delete_model_version(MODEL, "2")
    assert bring_up_to_date() and shown() == {"champion": "2", "challenger": "3"}
    client().delete_run(client().get_model_version(MODEL, "1").run_id)
    assert bring_up_to_date(whole=True) and len(everything()[0]) == 3
    (experiment,) = client().search_experiments(filter_string=f"name = '{MODEL}'")
    client().delete_experiment(experiment.experiment_id)
    assert bring_up_to_date(whole=True) and shown()["champion"] == "2"
    client().delete_registered_model(MODEL)
    assert bring_up_to_date() and shown() == {"champion": "2", "challenger": "3"}


def test_a_log_that_was_begun_anew_is_shown_and_not_taken_for_the_old_one(mirrored, store, make_versions):
    store.rename(store.with_name("old store"))
    make_versions()
    promote_by_hand(MODEL, "3", "anew", "data")
    assert bring_up_to_date() and shown() == {"champion": "3", "challenger": "3"}
    champion = client().get_model_version_by_alias(MODEL, "champion")
    made_at = client().get_run(champion.run_id).data.tags["made_at"]
    assert made_at == str(read_log(MODEL).versions["3"].made_at)


def test_a_run_that_was_made_by_half_is_made_again(mirrored):
    run = client().get_model_version(MODEL, "1").run_id
    client().delete_tag(run, "entry")  # it comes last
    assert bring_up_to_date(whole=True) and len(everything()[0]) == 4


def test_a_run_of_somebody_else_among_ours_does_not_matter(mirrored):
    (experiment,) = client().search_experiments(filter_string=f"name = '{MODEL}'")
    for tags in ({"kind": "promotion"}, {"entry": "x"}, {}):
        client().create_run(experiment.experiment_id, tags=tags)
    assert bring_up_to_date(whole=True) and shown()["champion"] == "2"


def cut(file) -> None:
    os.truncate(file, 5_000)


def flip(file) -> None:
    content = bytearray(file.read_bytes())
    content[:16] = b"no longer SQLite"
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, os.unlink], ids=["cut", "flipped", "lost"])
@pytest.mark.slow
def test_a_lost_or_damaged_database_is_made_again_and_the_damaged_one_is_kept(versions, damage):
    promote_by_hand(MODEL, "2", "first", "data")
    database = workspace().tracking_database
    assert "lags" not in in_another_process() and database.is_file()
    damage(database)
    told = in_another_process()
    aside = database.with_name("mlflow.db.damaged")
    assert aside.exists() == (f"{database} is damaged: it is kept as mlflow.db.damaged" in told)
    assert aside.exists() == (damage is not os.unlink)
    assert shown() == {"champion": "2", "challenger": "3"}


def in_another_process() -> str:
    """What is printed while MLflow is brought up to date as by the next run."""
    code = "from tasks.registry.decision_log import read_log; from tasks.registry.tracking import mirror; "
    code += f"mirror.fn(read_log('{MODEL}'))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def told(capsys) -> str:
    """The one sentence of a mirror that could not be brought up to date."""
    assert not bring_up_to_date()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("MLflow lags behind the record of late-arrivals (")
    return line


def test_a_locked_database_or_a_folder_in_its_place_stops_nothing(mirrored, capsys):
    database = workspace().tracking_database
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "mlflow.db: database is locked" in told(capsys)
    other.close()
    database.unlink()
    database.mkdir()
    assert "mlflow.db: unable to open database file" in told(capsys)


def test_a_server_that_does_not_answer_is_named_without_its_password(mirrored, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:SECRET@127.0.0.1:9")
    assert "SECRET" not in told(capsys)


def test_what_mlflow_keeps_of_the_log_tells_a_cut_or_changed_one(mirrored):
    head = read_head(MODEL)
    assert head == read_log(MODEL).head and verify_record(MODEL, head) == []
    (fault,) = verify_record(MODEL, head._replace(number=99))
    assert fault == "MLflow knows of entry 99, but the log ends at 5: entries were cut off"


def test_a_check_is_shown_with_its_metrics(mirrored, store):
    quality = {"metrics": {"log_loss": 0.5}}
    facts = {"window": "2013-06-01", "version": "1", "alarm": True, "degraded": False, "findings": ""}
    entry = Checked(number=4, as_of=JUNE, made_at=JUNE, check={"quality": quality}, **facts)
    log = read_log(MODEL)
    log = Log(MODEL, [*log.entries[:3], entry], log.head)
    assert mirror.fn(log, True)
    (experiment,) = client().search_experiments(filter_string=f"name = '{MODEL}'")
    (run,) = client().search_runs([experiment.experiment_id], "tags.kind = 'check'")
    assert run.data.metrics == {"log_loss": 0.5} and run.data.params == {"window": "2013-06-01"}
