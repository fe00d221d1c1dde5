"""A project made by copier has nothing of the sample, and keeps what is its own when the starter moves on."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from copies import bash, copy_repository, environment_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

DEPLOYMENT = """\
deployments:
  - name: predict-hourly
    description: Scores every hour.
    entrypoint: flows.predict:predict
    work_pool: {name: local}
    schedules: [{cron: "10 * * * *", timezone: UTC}]
"""


def release(template: Path, tag: str) -> None:
    """Commit a version of the starter, as a tag, which is what copier follows."""
    bash(f"git add -A && git commit -q --allow-empty -m {tag} && git tag {tag}", template, os.environ)


@pytest.fixture
def template(tmp_path):
    """The starter as it is, tagged."""
    folder = copy_repository(tmp_path / "starter")
    release(folder, "v1.0.0")
    return folder


@pytest.fixture
def project(template, tmp_path):
    """A project that was made of it, under git."""
    folder, remote = tmp_path / "my project", tmp_path / "remote"
    bash(
        f"copier copy -q --defaults -d model=warm-hours -d remote='{remote}' '{template}' '{folder}'",
        tmp_path,
        os.environ,
    )
    bash("git init -q && git add -A && git commit -q -m 'of the starter'", folder, os.environ)
    return folder


def test_a_project_is_made_clean_lives_and_takes_a_later_version_without_a_conflict(
    server, template, project, snapshot, tmp_path
):
    names = {path.relative_to(project).parts[0] for path in project.rglob("*")}
    assert not names & {"demo", "benchmarks", "data.dvc", "copier.yml", "README.md.jinja"}
    assert [path.name for path in (project / "project").iterdir()] == ["__init__.py"]
    kept = {"conftest.py", "test_project.py", "test_repository.py"}
    assert {path.name for path in (project / "tests").iterdir()} == kept
    assert f"url = {tmp_path / 'remote'}" in (project / ".dvc" / "config").read_text()
    environment = environment_of(project, server, PARAMS_TUNING__N_TRIALS="2")
    assert "none yet: put tables into data/" in bash("ml status", project, environment)

    (project / "data").mkdir()
    shutil.copy(snapshot.files["weather.parquet"], project / "data" / "hours.parquet")
    later = ",".join(
        name for name in pl.read_parquet_schema(project / "data" / "hours.parquet") if name[:3] in ("pre", "tem")
    )
    options = (
        f"--table hours --target temp --ahead 6h --event time_hour --key time_hour,origin --outcomes {later} --delay 1h"
    )
    bash(f"ml new warm-hours {options}", project, environment)
    bash("dvc add -q data && dvc push -q && git add -A && git commit -q -m 'our data'", project, environment)
    assert "version 1, verdict: promote" in bash("ml train", project, environment)

    (project / "project" / "requirements.in").write_text("humanize\n")
    (project / "project" / "deployments.yaml").write_text(DEPLOYMENT)
    (project / "README.md").write_text("# Ours\n")
    with (project / "params.yaml").open("a") as params:
        params.write("# ours\n")
    own = {name: (project / name).read_text() for name in ("params.yaml", "README.md", ".dvc/config", "data.dvc")}
    own |= {
        str(path.relative_to(project)): path.read_text()
        for path in project.glob("project/**/*.*")
        if path.suffix != ".pyc"
    }
    bash("git add -A && git commit -q -m ours", project, environment)

    for file in ("prefect.yaml", "params.yaml", "README.md.jinja", "pyproject.toml", "requirements.txt"):
        with (template / file).open("a") as text:
            text.write("# a later version\n")
    (template / "docs" / "later.md").write_text("new\n")
    (template / "docs" / "how-to" / "s3.md").unlink()
    (template / "project" / "late_arrivals" / "features.py").write_text("# the sample's\n")
    release(template, "v1.1.0")
    bash("copier update -q --defaults", project, os.environ)

    changed = bash("git status --porcelain", project, environment).splitlines()
    assert {line[3:] for line in changed} == {
        ".copier-answers.yml",
        "prefect.yaml",
        "pyproject.toml",
        "requirements.txt",
        "docs/later.md",
        "docs/how-to/s3.md",
    }
    assert all("<<<<<<<" not in (project / line[3:]).read_text() for line in changed if (project / line[3:]).is_file())
    assert {name: (project / name).read_text() for name in own} == own
    bash("make lock && make .venv", project, environment)
    bash(".venv/bin/python -c 'import humanize' && ruff check && lint-imports", project, environment)
    assert "version 2, verdict:" in bash("ml train --set seed=1", project, environment)
    deployed = bash(
        "prefect work-pool create local --type process --overwrite && prefect --no-prompt deploy --all"
        " --prefect-file project/deployments.yaml",
        project,
        environment,
    )
    assert "predict-hourly" in deployed
