"""A new model in one command: what is written works as it is, for days and hours, classes and numbers."""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from copies import bash, copy_repository, environment_of

NEW = [sys.executable, "-m", "flows.new"]


@pytest.fixture
def empty_project(tmp_path, snapshot):
    """A copy of the repository without the sample, whose data are weather by the hour and by the day."""
    folder = copy_repository(tmp_path / "my project")
    for gone in ("late_arrivals", "arrival_delay"):
        shutil.rmtree(folder / "project" / gone)
    (folder / "project" / "contract.py").unlink()
    (folder / "data").mkdir()
    hours = pl.read_parquet(snapshot.files["weather.parquet"])
    hours.write_parquet(folder / "data" / "hours.parquet")
    days = hours.group_by("origin", day=pl.col("time_hour").dt.date()).agg(pl.mean("temp"), wet=pl.sum("precip") > 0)
    days = days.sort("day", "origin").with_columns(
        wet_tomorrow=pl.when(pl.col("wet").shift(-1).over("origin")).then(pl.lit("yes")).otherwise(pl.lit("no"))
    )
    days.write_parquet(folder / "data" / "days.parquet")
    return folder


def new(folder: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of flows.new, where nobody answers."""
    environment = environment_of(folder, "")
    done = subprocess.run([*NEW, *options], cwd=folder, env=environment, capture_output=True, text=True, input="")
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.server
def test_two_models_of_two_tables_are_written_and_their_first_trainings_run_as_they_are(empty_project, server):
    later = "temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib"
    code, said = new(empty_project, "wet-days", "--table", "days", "--target", "wet_tomorrow == yes")
    assert code == 0 and "columns that identify a row: day,origin" in said, said
    code, said = new(
        empty_project, "warm", "--table", "hours", "--target=temp", "--ahead=6h", f"--outcomes={later}", "--delay=1h"
    )
    assert code == 0, said
    params, deployments = (
        yaml.safe_load((empty_project / f"{name}.yaml").read_text()) for name in ("params", "prefect")
    )
    named = [d["parameters"]["model"] for d in deployments["deployments"] if "model" in d.get("parameters", {})]
    assert params["model"] == "wet-days" and sorted(named) == ["warm"] * 3 + ["wet-days"] * 3
    environment = environment_of(empty_project, server, PARAMS_TUNING__N_TRIALS="2")
    bash("dvc remote remove sample && dvc add -q data", empty_project, environment)
    bash("ruff check project && ruff format --check project && ty check project", empty_project, environment)
    said = bash("python -m flows.train --model wet-days", empty_project, environment)
    assert "TARGET is true in" in said and "known 24.0 hours after the event" in said and "version 1, verdict:" in said
    said = bash("python -m flows.train --model warm", empty_project, environment)
    assert "its value is predicted" in said and "version 1, verdict: promote" in said, said


ODD = {
    "a name with capitals": (["Wet-Days"], "'Wet-Days' is no name of a model"),
    "no table": (["a", "--table", "nothing"], "there is no data/nothing.parquet and no data/nothing/, but days, hours"),
    "no target": (["a", "--table", "days"], "say by an option, what is predicted"),
    "no such column": (["a", "--table", "days", "--target", "rain"], "'rain': there is no column 'rain', there are"),
    "text without a value": (["a", "--table", "days", "--target", "wet_tomorrow"], "wet_tomorrow is text: say which"),
    "text for a number": (
        ["a", "--table", "days", "--target", "temp > warm"],
        "temp is Float32, and 'warm' is no number",
    ),
    "no duration": (["a", "--table", "days", "--target", "temp", "--ahead", "2 h"], "'2 h' is no duration"),
    "no such key": (["a", "--table", "days", "--target", "temp", "--key", "day,shop"], "there is no column 'shop'"),
    "a key that is none": (
        ["a", "--table", "days", "--target", "temp", "--key", "day"],
        "rows of data/days share their key",
    ),
    "a target of the key": (["a", "--table", "days", "--target", "origin == JFK"], "origin identifies a row"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(case, empty_project):
    options, sentence = ODD[case]
    before = sorted(path for path in empty_project.rglob("*") if "__pycache__" not in path.parts)
    code, said = new(empty_project, *options)
    assert (
        code == 1 and [line for line in said.splitlines() if line.startswith("error: ")] != [] and sentence in said
    ), said
    assert sorted(path for path in empty_project.rglob("*") if "__pycache__" not in path.parts) == before
