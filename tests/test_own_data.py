"""Somebody else's data: the README's recipe, word for word, and a number as the target."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import s3fs
from copies import bash, copy_repository, environment_of
from moto.server import ThreadedMotoServer

from stack.local_stack import ROOT

pytestmark = pytest.mark.server

OWN = Path(__file__).parent / "own"
RECIPE = (ROOT / "README.md").read_text().split("## Start your own project")[1].split("\n## ")[0]
REMOVE, PUBLISH = re.findall(r"```\n(.*?)```", RECIPE, re.DOTALL)


def replace(file: Path, **lines: str) -> int:
    """Give some settings of params.yaml another value; returns how many."""
    text = file.read_text()
    for name, value in lines.items():
        text, found = re.subn(rf"^( *{name}: ).*", rf"\g<1>{value}", text, flags=re.MULTILINE)
        assert found == 1, name
    file.write_text(text)
    return len(lines)


def test_minutes_of_delay_instead_of_late_or_not_is_a_change_of_params_and_contract(server, tmp_path):
    folder = copy_repository(tmp_path / "minutes")
    contract = folder / "project" / "contract.py"
    text, found = re.subn(r"^TARGET = .*", 'TARGET = pl.col("arr_delay")', contract.read_text(), flags=re.MULTILINE)
    assert found == 1
    contract.write_text(text)
    replace(folder / "params.yaml", model="minutes", minimum="{r2: 0.05}", n_trials="2", max_rows="5000")
    environment = environment_of(folder, server)
    for day, decision in (("2013-03-20", "promote"), ("2013-04-01", "")):
        said = bash(f"python -m flows.train --as-of {day}", folder, environment)
        assert f"verdict: {decision}" in said and "r2: 0." in said
    assert "squared error gain over the champion" in said and "MAE not worse than the champion's" in said


def test_another_project_made_by_the_recipe_trains_twice_rolls_back_and_works_in_another_clone(
    server, snapshot, tmp_path
):
    changed = sum(len((OWN / name).read_text().splitlines()) for name in ("contract.py", "features.py"))
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
    for name in ("contract.py", "features.py"):
        shutil.copy(OWN / name, folder / "project" / ("late_arrivals" if name == "features.py" else ""))
    changed += replace(
        folder / "params.yaml",
        model="temperature",
        minimum="{}",
        maximum="{mae: 8}",
        min_rows="1000",
        slices="[origin]",
        n_trials="6",
    )
    assert changed <= 60
    bash(PUBLISH, folder, environment)

    first = bash("python -m flows.train --as-of 2013-09-01", folder, environment)
    assert "version 1, verdict: promote" in first, first
    assert "version 2, verdict:" in (second := bash("python -m flows.train --as-of 2013-12-01", folder, environment))
    if "verdict: reject" in second:
        bash("python -m flows.promote 2 'a person wants it'", folder, environment)
    assert "version 1 of temperature is the champion again" in bash(
        "python -m flows.rollback cold", folder, environment
    )
    bash("ruff check && ty check && python -m pytest", folder, environment)

    bash(f"git clone -q '{folder}' '{tmp_path / 'clone'}'", tmp_path, environment)
    first = bash("python -m flows.train --as-of 2013-09-01", tmp_path / "clone", environment)
    assert "version 1, verdict: promote" in first, first
    s3.stop()
