"""Somebody else's data: the recipe of the docs, word for word."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest
import s3fs
from copies import bash, copy_repository, environment_of, shell
from moto.server import ThreadedMotoServer

from stack.local_stack import ROOT

pytestmark = pytest.mark.server

OWN = Path(__file__).parent / "own"
RECIPE = (ROOT / "docs" / "how-to" / "your-data.md").read_text()
COPY, NEW, PUBLISH, TRAIN, RUN, REMOVE = [
    text for kind, text in re.findall(r"```(\w*)\n(.*?)```", RECIPE, re.DOTALL) if not kind
]
COMMAND = re.compile(r"^(\S*/)?(make|ml|python|prefect|dvc|git|rm|export|source|curl|docker|uv|uvx) ", re.MULTILINE)
SHELLS = ["bash", "zsh", "dash"]


def needs(name: str):
    return pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"no {name}: apt-get install it"))


ODD = {
    "infinite": ('rows["distance"] / (rows["minute"] * 0)', "distance is infinite in"),
    "empty": ('rows["distance"] * float("nan")', "distance has no value in the train set, nor later"),
    "of other rows": ('rows["distance"] - rows["distance"].mean()', "the feature 'distance' depends on the other rows"),
    "of another type": ('pl.col("time_hour").dt.date()', "features.py: the feature 'distance' is Date"),
    "a crash": ('rows["distance"] / known.nothing', "contract.py declares no table 'nothing'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ODD)
def test_an_odd_feature_ends_a_training_in_one_sentence_before_it_is_tuned(case, server, tmp_path):
    value, sentence = ODD[case]
    folder = copy_repository(tmp_path / "odd")
    file = folder / "project" / "late_arrivals" / "features.py"
    assert (text := file.read_text()).count('"distance": rows["distance"]') == 1
    file.write_text(text.replace('"distance": rows["distance"]', f'"distance": {value}'))
    command = [sys.executable, "-m", "flows.train", "--as-of", "2013-03-20"]
    done = subprocess.run(command, cwd=folder, env=environment_of(folder, server), capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(said)) == (1, 1), done.stderr
    assert sentence in said[0]
    assert "Traceback" not in done.stderr
    assert "tuning:" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", [needs(name) for name in SHELLS])
def test_every_shell_removes_the_same(name, tmp_path):
    folder = copy_repository(tmp_path / "my project")
    for kept in ("data", "store"):
        (folder / kept).mkdir()
    shell(name, REMOVE, folder, environment_of(folder, ""))
    git = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True)
    changed = {line[3:].split("/")[0].strip('"') for line in git.stdout.splitlines()}
    assert changed == {".dvc", "benchmarks", "data.dvc", "demo", "project", "tests"}
    left = ["conftest.py", "test_project.py", "test_repository.py"]
    assert sorted(path.name for path in (folder / "tests").iterdir()) == left
    assert [path.name for path in (folder / "project").iterdir()] == ["__init__.py"]
    assert not any((folder / gone).exists() for gone in ("data", "store", ".dvc/remote"))
    assert "url = s3://my-bucket/dvc" in (folder / ".dvc" / "config").read_text()


@pytest.mark.parametrize("name", [needs(name) for name in SHELLS])
def test_every_shell_reads_every_command_of_the_docs(name):
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        fences = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", file.read_text(), re.DOTALL | re.MULTILINE)
        blocks = (dedent(text) for _, language, text in fences if language in ("", "bash", "sh"))
        for block in filter(COMMAND.search, blocks):
            done = subprocess.run([name, "-n"], input=block, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), f"{file}: {block}"


@pytest.mark.slow
def test_another_project_made_by_the_recipe_trains_twice_rolls_back_and_works_in_another_clone(
    server, snapshot, tmp_path
):
    files = [path for path in OWN.rglob("*") if path.is_file() and path.suffix in (".py", ".yaml")]
    assert sum(len(path.read_text().splitlines()) for path in files) <= 60
    folder = copy_repository(tmp_path / "my project")
    s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    address = "http://{}:{}".format(*s3.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    environment = environment_of(folder, server, AWS_ENDPOINT_URL=address, **keys)
    s3fs.S3FileSystem(endpoint_url=address, key="key", secret="secret").mkdir("my-bucket")

    weather = pl.read_parquet(snapshot.files["weather.parquet"])
    bash(REMOVE, folder, environment)
    (folder / "data").mkdir()
    tomorrow = weather.select("origin", pl.col("time_hour").dt.offset_by("-24h"), temp_next="temp")
    weather.join(tomorrow, on=["origin", "time_hour"], how="left").write_parquet(folder / "data" / "weather.parquet")
    begin = NEW.strip().replace("late-deliveries", "temperature")
    bash(f"{begin} --table weather --target temp_next --ahead 0h --outcomes temp_next --delay 25h", folder, environment)
    shutil.copytree(OWN, folder / "project", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    bash(PUBLISH, folder, environment)

    first = bash("python -m flows.train --as-of 2013-09-01", folder, environment)
    assert "version 1, verdict: promote" in first, first
    assert "version 2, verdict:" in (second := bash("python -m flows.train --as-of 2013-12-01", folder, environment))
    if "verdict: reject" in second:
        bash("python -m flows.promote 2 'a person wants it'", folder, environment)
    assert "version 1 of temperature is the champion again" in bash(
        "python -m flows.rollback cold", folder, environment
    )
    said = bash(f"ruff check && lint-imports && ty check && python -m pytest && {TRAIN}\n{RUN}", folder, environment)
    assert "rows have an outcome" in said

    bash(f"git clone -q '{folder}' '{tmp_path / 'clone'}'", tmp_path, environment)
    first = bash("python -m flows.train --as-of 2013-09-01", tmp_path / "clone", environment)
    assert "version 1, verdict: promote" in first, first
    s3.stop()
