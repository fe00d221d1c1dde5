"""A server in line with prefect.yaml and automations.yaml: what is stale goes, each alert fires once for its cause."""

from pathlib import Path

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from receivers import fill_in_block, hasten, receiver
from stacks import client_of, flow, held, kill, pause_schedules, prefect, running_stack, states, wait_for

from stack.local_stack import ROOT

pytestmark = [pytest.mark.server, pytest.mark.slow]

TRIGGER = {"type": "event", "expect": ["data.drifted"], "posture": "Reactive", "threshold": 1, "within": 10}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("alerts") / "workspace", PARAMS_PROMOTION__MODE="review") as environment:
        pause_schedules(environment)
        yield environment


def test_a_deployment_under_an_old_name_goes_with_its_trigger_and_those_of_others_stay(stack, tmp_path):
    (tmp_path / "theirs.py").write_text("from prefect import flow\n\n@flow\ndef work(): ...\n")
    kept, rules = deployments(stack), automations(stack)
    deploy(stack, tmp_path, ROOT, "on-drift", "flows.train:train")
    deploy(stack, tmp_path, ROOT, "of-their-module", "theirs:work")
    deploy(stack, tmp_path, tmp_path, "of-their-folder", "flows.train:train")
    others = {"work/of-their-module", "train/of-their-folder"}
    assert deployments(stack) == kept | others | {"train/on-drift"}
    assert automations(stack) == sorted([*rules, "on-drift", "of-their-module", "of-their-folder"])
    said = flow(stack, "tasks.operations.sync")
    assert said.count("removed ") == 1
    assert "removed flows.train:train/on-drift, which neither prefect.yaml nor " in said
    assert deployments(stack) == kept | others
    assert {"of-their-module", "of-their-folder", "train on drift"} <= set(automations(stack))
    assert "on-drift" not in automations(stack)
    assert "removed" not in flow(stack, "tasks.operations.sync")
    for name in others:
        prefect(stack, "deployment", "delete", name)


def test_an_alert_under_an_old_name_goes_and_those_of_others_stay(stack, tmp_path):
    action = {"type": "do-nothing"}
    with client_of(stack) as client:
        for name, tag in (("silence", str(ROOT)), ("of another clone", str(tmp_path)), ("mine", "my own")):
            spec = {"name": name, "tags": [tag], "trigger": TRIGGER, "actions": [action]}
            client.create_automation(AutomationCore.model_validate(spec))
    assert {"mine", "of another clone", "silence"} <= set(automations(stack))
    assert "removed silence, which" in flow(stack, "tasks.operations.sync")
    assert "silence" not in (left := automations(stack))
    assert {"mine", "of another clone", "train on drift", "run without a pulse is called crashed"} <= set(left)


def deploy(environment, folder: Path, directory: Path, name: str, entrypoint: str) -> None:
    """Deploy a flow with a trigger, as somebody does who works in this directory."""
    deployment = {"name": name, "entrypoint": entrypoint, "work_pool": {"name": "local"}}
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump({"deployments": [deployment | {"triggers": [TRIGGER | {"name": name}]}]}))
    path = {"PYTHONPATH": f"{ROOT}:{folder}"}
    done = prefect(environment | path, "--no-prompt", "deploy", "--all", "--prefect-file", str(file), cwd=directory)
    assert done.returncode == 0, done.stdout + done.stderr


def deployments(environment) -> set[str]:
    """The full names of all deployments."""
    with client_of(environment) as client:
        found = client.read_deployments()
        return {f"{client.read_flow(deployment.flow_id).name}/{deployment.name}" for deployment in found}


def automations(environment) -> list[str]:
    """The names of all automations."""
    with client_of(environment) as client:
        return sorted(automation.name for automation in client.read_automations())


def test_failed_crashed_rejected_waiting_and_silent_are_heard_by_the_right_team(stack):
    with receiver() as (address, heard), receiver() as (data_address, data_heard):
        assert "alerts are off (run failed" in flow(stack, "tasks.operations.sync")
        fill_in_block(stack, "alerts", address)
        fill_in_block(stack, "alerts-data", data_address)
        flow(stack, "tasks.operations.sync")
        prefect(stack, "deployment", "run", "predict/predict-daily")
        wait_for(lambda: count(heard, "[platform] run failed: predict/") == 1)
        landing = Path(stack["WORKSPACE"]) / "landing" / "flights"
        landing.mkdir(parents=True)
        (landing / "broken.parquet").write_bytes(b"no parquet")
        prefect(stack, "deployment", "run", "ingest/ingest-hourly")
        wait_for(lambda: bool(data_heard))
        flow(stack, "flows.train", "--as-of", "2013-04-01")
        wait_for(lambda: count(heard, "[training] review: version 1") == 1)
        wait_for(lambda: states(stack, "review/review-on-request") == ["Suspended"])
        kill_at_work(stack, "prefect.engine")
        wait_for(lambda: count(heard, "[platform] run crashed: train/") == 1)
        hasten(stack, "run without a pulse is called crashed", 45)
        kill_at_work(stack, "prefect worker", "prefect.engine")
        wait_for(lambda: count(heard, "[platform] run crashed: train/") == 2)
        told = [text.split(":")[0] for text in heard]
        hasten(stack, "monitoring is silent", 20)
        wait_for(lambda: count(heard, "[monitoring] monitoring is silent") > 0)
    assert len(data_heard) == 1 and "flights/broken.parquet cannot be read as parquet" in data_heard[0]
    assert sorted(told) == [
        "[platform] run crashed",
        "[platform] run crashed",
        "[platform] run failed",
        "[training] review",
    ]
    assert {text.split(":")[0] for text in heard[len(told) :]} == {"[monitoring] monitoring is silent"}


def count(heard: list[str], words: str) -> int:
    """How many alerts begin with these words."""
    return sum(text.startswith(words) for text in heard)


def kill_at_work(environment, *parts: str) -> None:
    """Start a training, and kill the processes of these names while it is in the middle of its work."""
    with held(environment["WORKSPACE"], "training of late-arrivals"):
        prefect(environment, "deployment", "run", "train/train-by-hand")
        wait_for(lambda: states(environment, "train/train-by-hand")[-1] == "Running")
        for part in parts:
            kill(environment["WORKSPACE"], part)
