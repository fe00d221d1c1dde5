"""Alerts on a real server against a real receiver: each fires once when its cause is there, and not otherwise."""

from pathlib import Path

import pytest
from receivers import fill_in_block, hasten, receiver
from stacks import flow, kill, prefect, running_stack, states, wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_failed_crashed_rejected_waiting_and_silent_are_heard_by_the_right_team(tmp_path):
    with (
        receiver() as (address, heard),
        receiver() as (data_address, data_heard),
        running_stack(tmp_path / "workspace", PARAMS_PROMOTION__MODE="review") as environment,
    ):
        assert "alerts are off (run failed" in flow(environment, "tasks.operations.sync")
        fill_in_block(environment, "alerts", address)
        fill_in_block(environment, "alerts-data", data_address)
        flow(environment, "tasks.operations.sync")
        prefect(environment, "deployment", "run", "predict/predict-daily")
        wait_for(lambda: count(heard, "[platform] run failed: predict/") == 1)
        landing = Path(environment["WORKSPACE"]) / "landing" / "flights"
        landing.mkdir(parents=True)
        (landing / "broken.parquet").write_bytes(b"no parquet")
        prefect(environment, "deployment", "run", "ingest/ingest-hourly")
        wait_for(lambda: bool(data_heard))
        flow(environment, "flows.train", "--as-of", "2013-04-01")
        wait_for(lambda: count(heard, "[training] review: version 1") == 1)
        wait_for(lambda: states(environment, "review/review-on-request") == ["Suspended"])
        prefect(environment, "deployment", "run", "train/train-by-hand")
        kill_at_work(environment, "train/train-weekly", "prefect.engine")
        wait_for(lambda: count(heard, "[platform] run crashed: train/") == 1)
        hasten(environment, "run without a pulse is called crashed", 45)
        prefect(environment, "deployment", "run", "train/train-by-hand")
        kill_at_work(environment, "train/train-weekly", "prefect worker", "prefect.engine")
        wait_for(lambda: count(heard, "[platform] run crashed: train/") == 2)
        hasten(environment, "monitoring is silent", 20)
        wait_for(lambda: count(heard, "[monitoring] monitoring is silent") == 1)
    assert len(data_heard) == 1 and "landing/flights/broken.parquet" in data_heard[0]
    assert sorted(text.split(":")[0] for text in heard) == [
        "[monitoring] monitoring is silent",
        "[platform] run crashed",
        "[platform] run crashed",
        "[platform] run failed",
        "[platform] run failed",
        "[training] review",
    ]


def count(heard: list[str], words: str) -> int:
    """How many alerts begin with these words."""
    return sum(text.startswith(words) for text in heard)


def kill_at_work(environment, name: str, *parts: str) -> None:
    """SIGKILL for the processes of these names, as soon as the newest run of a deployment is at work."""
    wait_for(lambda: states(environment, name)[-1] == "Running")
    for part in parts:
        kill(environment["WORKSPACE"], part)
