"""Every odd file beside two good ones: the good ones go in, the bad one is told, and what is there can be read."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from landings import set_back, take_in_all
from odd_files import ASIDE, CORPUS, IN, ROWS, TOLD, make_rows, to_bytes
from stores import new_workspace, use_workspace

from stack.local_stack import ROOT, clean_environment
from tasks.core.params import Params
from tasks.data.clock import newest_hour
from tasks.data.context import read_month
from tasks.data.ledger import read_ledger
from tasks.data.quarantine import FILE, read_quarantine
from tasks.data.snapshot import pull_snapshot

GOOD = 5  # rows of a good file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A workspace in which all of them land, one after the other."""
    usual, mine = Path(os.environ["WORKSPACE"]), new_workspace(tmp_path_factory.mktemp("odd") / "work späce")
    yield use_workspace(mine)
    use_workspace(usual)
    shutil.rmtree(mine)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(CORPUS)), ids=[odd.name for odd in CORPUS])
def test_the_good_ones_go_in_and_the_odd_one_is_told(folder, use_case, number):
    odd, landing = CORPUS[number], use_workspace(folder) / "landing"
    flights = landing / "flights"
    shutil.rmtree(landing, ignore_errors=True)
    flights.mkdir(parents=True)
    rows = make_rows(number)
    odd.write(flights, rows)
    for name, good in (("a", make_rows(number, 50)[ROWS : ROWS + GOOD]), ("z", make_rows(number, 50)[-GOOD:])):
        (flights / f"{name}.parquet").write_bytes(to_bytes(good))
    for path in landing.rglob("*"):
        if path.is_file():
            set_back(path)
    before = read_quarantine(read_ledger(current().files))
    landed = take_in_all()
    added = {change.file: change for change in landed.changes}
    assert added.pop("flights/a.parquet").added == GOOD and added.pop("flights/z.parquet").added == GOOD
    new = read_quarantine(read_ledger(current().files)).join(
        before, on=["table", "digest", "position", "file"], how="anti"
    )
    check_outcome(odd.outcome, list(added.values()), landed, new)
    again = take_in_all()
    assert (again.changes, again.bad) == ([], []) and again.troubles == landed.troubles
    check_accounts()
    january = read_month(current(), use_case, (START, END), END, Params.load().validation).rows
    assert january.filter(carrier="ZZ").height >= 2 * GOOD
    newest_hour(current(), use_case, datetime.now(UTC))


@pytest.mark.slow
def test_training_scoring_and_checking_run_on_what_is_there(folder):
    quick = ["--set", "tuning.n_trials=1", "--set", "gate.slices=[]"]
    for command in (["train", "--as-of", "2013-06-01", *quick], ["predict", "--as-of", "2013-06-01"], ["monitor"]):
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", *command],
            env=clean_environment(folder),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]


START, END = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC)


def current():
    return pull_snapshot.fn(None, Params.load().data)


def check_outcome(outcome, added, landed, quarantined: pl.DataFrame) -> None:
    """What came of the odd one is what has to come of it, with a reason that says what to do."""
    files = quarantined.filter(position=FILE)
    if outcome == ASIDE:
        assert added == [] and files.height == 1 and len(landed.bad) == 1
        assert ": " in files["reason"][0] and len(files["reason"][0]) < 700 and "\n" not in files["reason"][0]
    elif outcome == TOLD:
        assert added == [] and quarantined.is_empty() and len(landed.troubles) == 1
        assert landed.troubles[0].endswith(("remove it", "mend it", "rename it"))
    elif outcome == IN:
        assert quarantined.is_empty() and added and landed.bad == [], landed.bad
        assert all(change.added in (0, ROWS) for change in added)
    elif isinstance(outcome, int):
        assert len(added) == 1, landed.bad
        assert quarantined.height == added[0].quarantined == outcome and quarantined["reason"].str.len_chars().min() > 3
        assert added[0].added + added[0].unchanged == ROWS - outcome or added[0].read > ROWS
    else:
        assert added == [] and quarantined.is_empty() and not landed.troubles


def check_accounts() -> None:
    """Valid and quarantined rows are those that landed."""
    ledger = read_ledger(current().files).filter(position=FILE)
    held = (
        read_quarantine(read_ledger(current().files))
        .filter(pl.col("position") != FILE)
        .join(ledger, on=["table", "digest"], how="semi")
    )
    assert held.height == ledger["quarantined"].sum()
