"""A new model in one command: what is written works as it is, for days and hours, classes and numbers."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest
import yaml
from copies import bash, copy_repository, environment_of

from tasks.core.errors import InputError
from tasks.core.use_case import declare
from tasks.features.table import Table
from tasks.operations.model_guesses import guess_delay, guess_key
from tasks.operations.model_plan import Plan, Target, check_key, look_at
from tasks.operations.model_texts import write_features, write_table, write_target

NEW = [sys.executable, "-m", "flows.new"]


@pytest.fixture(scope="module")
def empty_project(tmp_path_factory, snapshot):
    """A copy of the repository without the sample, whose data are weather by the hour and by the day."""
    folder = copy_repository(tmp_path_factory.mktemp("new") / "my project")
    for gone in ("late_arrivals", "arrival_delay"):
        shutil.rmtree(folder / "project" / gone)
    for gone in ("contract.py", "deployments.yaml"):
        (folder / "project" / gone).unlink()
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


DAYS = ("--table", "days", "--target")


def type_in(folder: Path, *lines: str) -> tuple[int, str]:
    """Exit code and output of flows.new, where somebody types."""
    terminal, stdin = os.openpty()
    os.write(terminal, "".join(f"{line}\n" for line in (*lines, "\x04")).encode())
    environment = environment_of(folder, "")
    done = subprocess.run([*NEW, "buyers"], cwd=folder, env=environment, stdin=stdin, capture_output=True, text=True)
    os.close(terminal)
    os.close(stdin)
    return done.returncode, done.stdout + done.stderr


ODD = {
    "a name with capitals": (["Wet-Days"], "'Wet-Days' is no name of a model"),
    "no table": (
        ["a", "--table", "nothing"],
        "there is no data/nothing.parquet and no data/nothing/ with parquet files, but days, hours",
    ),
    "no target": (["a", *DAYS[:2]], "give --target, what is predicted: a column, or a condition"),
    "no such column": (["a", *DAYS, "rain"], "'rain': there is no column 'rain', there are"),
    "text without a value": (["a", *DAYS, "wet_tomorrow"], "wet_tomorrow is text: say which"),
    "text for a number": (["a", *DAYS, "temp > warm"], "and 'warm' is no number"),
    "a value of a truth": (["a", *DAYS, "wet == true"], "wet is true or false already"),
    "no duration": (["a", *DAYS, "temp", "--ahead", "2 h"], "'2 h' is no duration"),
    "no such key": (["a", *DAYS, "temp", "--key", "day,shop"], "there is no column 'shop'"),
    "a key that is none": (
        ["a", "--table", "days", "--target", "temp", "--key", "day"],
        "share their key with another",
    ),
    "a target of the key": (["a", *DAYS, "origin == JFK", "--key=day,origin"], "origin identifies a row"),
    "an event that is no time": (["a", *DAYS, "temp", "--event=origin"], "'origin' is no column of times"),
    "a name of a file": (["contract", *DAYS, "temp"], "project/contract.py holds the tables"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(case, empty_project):
    options, sentence = ODD[case]
    before = sorted(path for path in empty_project.rglob("*") if "__pycache__" not in path.parts)
    code, said = new(empty_project, *options)
    assert code == 1 and said.count("error: ") == 1 and sentence in said, said
    assert sorted(path for path in empty_project.rglob("*") if "__pycache__" not in path.parts) == before


@pytest.mark.server
@pytest.mark.slow
def test_two_models_of_two_tables_are_written_and_their_first_trainings_run_as_they_are(empty_project, server):
    later = "temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib"
    code, said = new(empty_project, "wet-days", "--table", "days", "--target", "wet_tomorrow == yes")
    assert code == 0 and "the columns that identify a row, such as at,shop: day,origin" in said, said
    code, said = new(
        empty_project, "warm", "--table", "hours", "--target=temp", "--ahead=6h", f"--outcomes={later}", "--delay=1h"
    )
    assert code == 0, said
    assert yaml.safe_load((empty_project / "params.yaml").read_text())["model"] == "wet-days"
    own = yaml.safe_load((empty_project / "project" / "deployments.yaml").read_text())["deployments"]
    assert [deployment["parameters"]["model"] for deployment in own] == ["warm"] * 3
    environment = environment_of(empty_project, server, PARAMS_TUNING__N_TRIALS="2")
    bash("dvc remote remove sample && dvc add -q data", empty_project, environment)
    bash("ruff check project && ruff format --check project && ty check project", empty_project, environment)
    said = bash("python -m flows.train --model wet-days", empty_project, environment)
    assert "TARGET is true in" in said and "known 2.0 days after the event" in said and "version 1, verdict:" in said
    said = bash("python -m flows.train --model warm", empty_project, environment)
    assert "its value is predicted" in said and "version 1, verdict: promote" in said, said


def test_on_a_table_of_the_contract_only_what_it_leaves_open_is_asked(tmp_path, snapshot):
    folder = copy_repository(tmp_path / "sample")
    (folder / "data" / "flights").mkdir(parents=True)
    for name in ("flights/2013-01.parquet", "flights/2013-02.parquet"):
        shutil.copy(snapshot.files[name], folder / "data" / name)
    options = ("minutes", "--table=flights", "--ahead=2h")
    assert "dest is no outcome of flights" in new(folder, *options, "--target=dest == ORD")[1]
    assert "says that of flights: leave --delay out" in new(folder, *options, "--target=arr_delay", "--delay=1d")[1]
    code, said = new(folder, *options, "--target=arr_delay > 30")
    assert code == 0, said
    assert 'TARGET = pl.col("arr_delay") > 30\n' in (folder / "project" / "minutes" / "target.py").read_text()
    bash("ruff check project && ruff format --check project && ty check project", folder, environment_of(folder, ""))


def test_the_prediction_of_a_day_is_asked_for_from_its_first_moment_in_utc():
    class Days(dy.Schema):
        day = dy.Date(primary_key=True)
        wet = dy.Bool(nullable=True)

    day = date(2024, 5, 1)
    rows = pl.DataFrame({"day": [day], "wet": [True]})
    table = Table(schema=Days, event_time=pl.col("day"), outcomes=["wet"], outcomes_known_at=pl.lit(None))
    plan = Plan("wet-days", "days", rows, "day", ["day"], ["wet"], "0h", Target("wet"), "-1d", table)
    text = write_target(plan).replace("from project.contract import TABLES", "")
    exec(text, names := {"TABLES": {"days": table}})
    assert rows.select(names["PREDICTION_TIME"]).item() == datetime(2024, 5, 2, tzinfo=UTC)


def test_names_and_values_of_any_kind_become_python_that_means_them():
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    rows = pl.DataFrame(
        {"at": [noon], "score": ["b"], 'the "end"': ["it's"], "class": [1], "key": [2.5], "is it": [True]}
    )
    target = Target.parse('the "end" == it\'s', rows.schema)
    assert rows.select(eval(str(target))).item() is True
    plan = Plan("odd", "rows", rows, "at", ["at"], ['the "end"'], "90s", target, "30s")
    names: dict = {}
    exec("import dataframely as dy\nimport polars as pl\nfrom tasks.features.table import Table\nTABLES = {}", names)
    for text in (write_table(plan), write_target(plan), write_features(plan)):
        exec(text, names)
    assert names["RowsRow"].create_empty().schema == rows.schema
    table, asked = names["TABLES"]["rows"], names["PREDICTION_TIME"]
    made = rows.select(known=table.outcomes_known_at, asked=asked).row(0)
    assert made == (noon + timedelta(seconds=90), noon - timedelta(seconds=30))
    case = declare("late-arrivals", names["TABLES"], "rows", asked, names["TARGET"], {}, names["features"])
    assert case.target.meta.root_names() == ['the "end"']


def test_what_is_typed_and_does_not_suit_is_asked_for_again_and_all_else_is_kept(tmp_path):
    folder = copy_repository(tmp_path / "mine")
    (folder / "data").mkdir()
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    visits = [
        {"at": noon + timedelta(hours=6 * h), "id": h, "shop": "ab"[h % 2], "paid": h % 3 == 0} for h in range(400)
    ]
    pl.DataFrame(visits).write_parquet(folder / "data" / "visits.parquet")
    pl.DataFrame({"shop": ["a", "b"]}).write_parquet(folder / "data" / "shops.parquet")
    pl.DataFrame(visits + visits[:2]).write_parquet(folder / "data" / "repeated.parquet")
    code, said = new(folder, "buyers", "--table=repeated", "--target=paid")
    assert code == 1 and "2 rows repeat another in every column" in said, said
    naive = pl.DataFrame(visits).with_columns(pl.col("at").dt.replace_time_zone(None))
    naive.write_parquet(folder / "data" / "naive.parquet")
    code, said = type_in(folder, "naive", "at", "at")
    assert code == 1 and said.count("error: data/naive: at") == 2, said  # no answer would do
    code, said = type_in(folder, "visits", "at", "paid", "\x04")  # Ctrl-D
    assert code == 1 and said.count("error: ") == 1 and "no answer was given" in said, said
    typed = ["visit", "visits", "noon", "at", "price", "paid", "", "at,id", "2 h", "2h", "1d"]
    code, said = type_in(folder, *typed)
    assert code == 0, said
    assert re.findall("error: .*?[:,]", said) == [
        "error: there is no data/visit.parquet and no data/visit/ with parquet files,",
        "error: data/visits:",
        "error: 'price':",
        "error: '2 h' is no duration:",
    ]
    assert "data/ holds naive, repeated, shops, too: declare" in said, said
    text = (folder / "project" / "buyers" / "features.py").read_text()
    assert 'known.visits.by("shop")' in text and 'rows["shop"]' in text, text


def test_an_outcome_is_taken_to_be_known_after_as_long_as_the_newest_ones_are_missing():
    days = [date(2024, 1, day) for day in range(1, 31)]
    rows = pl.DataFrame({"day": days, "paid": [1] * 20 + [None] * 10})
    assert guess_delay(rows, "day", "paid") == "10d"
    assert guess_delay(rows.head(20), "day", "paid") == "2d"
    assert guess_delay(rows.tail(5), "day", "paid") == "2d"
    ahead = pl.DataFrame({"day": [datetime.now(UTC).date() + timedelta(days=60)], "paid": [None]})
    assert guess_delay(pl.concat([rows, ahead], how="vertical_relaxed"), "day", "paid") == "10d"
    times = rows.head(25).with_columns(day=pl.col("day").cast(pl.Datetime("us", "UTC")))
    assert (guess_delay(times, "day", "paid"), guess_delay(times.head(20), "day", "paid")) == ("5d", "1d")


def test_a_first_feature_is_no_key_that_differs_in_every_row():
    rows = pl.DataFrame(
        {"at": [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2)], "id": ["a", "b"], "paid": [1, 2]}
    )
    plan = Plan("buyers", "visits", rows, "at", ["at", "id"], ["paid"], "1d", Target("paid"), "0h")
    names = re.findall(r"\w+", write_features(plan))
    assert "paid_28d" in names and "id" not in names


def test_of_outcomes_that_come_after_one_to_nine_days_the_longest_time_is_offered():
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(90) for _ in range(9)]
    rows = pl.DataFrame({"at": days}).with_columns(takes=pl.int_range(pl.len()) % 9 + 1)
    told = pl.col("at") + pl.duration(days=pl.col("takes")) <= pl.col("at").max()
    rows = rows.with_columns(hours=pl.when(told).then(pl.col("takes") * 24))
    assert guess_delay(rows, "at", "hours") == "9d"
    lost = pl.when(pl.int_range(pl.len()) % 10 > 0).then("hours")  # a tenth of the outcomes is never told
    assert int(guess_delay(rows.with_columns(hours=lost), "at", "hours")[:-1]) in range(8, 20)


def test_the_key_that_is_offered_leaves_the_fewest_rows_doubled():
    rows = pl.DataFrame({"shop": ["a", "a", "b", "b"], "id": [1, 2, 3, 3], "paid": [1, 2, 3, 4]})
    rows = rows.with_columns(at=pl.lit(date(2024, 1, 1)))
    assert guess_key(rows, "at", ["paid"]) == ["at", "id"]
    with pytest.raises(
        InputError, match="share their key with another, such as at=2024-01-01, id=3: --key at,id needs"
    ):
        check_key(rows, "sales", "at", ["at", "id"])


def test_a_row_of_the_future_does_not_move_the_clock_of_the_data():
    rows = pl.DataFrame({"at": [datetime(2024, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)], "paid": [1, 2]})
    plan = Plan("m", "sales", rows, "at", ["at"], ["paid"], "1d", Target.parse("paid", rows.schema), "0h")
    looked, as_of = look_at(plan)
    assert looked.height == 1 and as_of == datetime(2024, 1, 2, tzinfo=UTC)
