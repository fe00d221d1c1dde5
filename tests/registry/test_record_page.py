"""The lines of docs/how-to/record.md read the record of a workspace."""

import re
from datetime import UTC, datetime

import polars as pl

from stack.local_stack import ROOT
from tasks.inference.prediction_log import score_rows
from tasks.inference.scorer import Scorer
from tasks.registry.promotion import promote_by_hand

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / "record.md").read_text(), re.DOTALL)


def run_block(block: str, names: dict) -> object:
    """Run it as a notebook does; returns the value of its last line."""
    *lines, last = block.strip().splitlines()
    exec("\n".join(lines), names)
    return eval(last, names)


def test_decisions_champion_verdicts_predictions_and_outcomes_are_read(
    versions, tiny_model, year, snapshot, own_workspace, monkeypatch
):
    promote_by_hand("late-arrivals", "2", "first", "data")
    scorer, as_of = Scorer(tiny_model[0]), datetime(2013, 6, 1, tzinfo=UTC)
    score_rows("late-arrivals", year.head(50), scorer, "2", scorer, "data", as_of)
    plain = own_workspace.rename(own_workspace.with_name("plain"))  # polars reads no tables in a path with a space
    monkeypatch.chdir(plain)
    names = {"pl": pl}
    (plain / "data" / "flights").mkdir(parents=True)
    for name in (name for name in snapshot.files if name.startswith("flights/")):
        (plain / "data" / name).symlink_to(snapshot.files[name])
    decisions, champion, verdicts, predictions, outcomes = (run_block(block, names) for block in BLOCKS)
    assert decisions["kind"].to_list() == ["verdict"] * 3 + ["promotion"]
    assert decisions["as_of"][0] == "2013-04-01T00:00:00Z"
    assert champion == "2" and verdicts["decision"].to_list() == ["promote"] * 3
    assert predictions.select("version", "len").rows() == [("2", 50)]
    target = year.head(50)["target"].drop_nulls()
    assert outcomes.select("version", "len", "target").rows() == [("2", target.len(), target.mean())]
