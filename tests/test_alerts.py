"""Alerts on a real server against a real receiver: each fires once when its cause is there, and not otherwise."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from stacks import flow, prefect, running_stack, states, wait_for

from tasks.stack import ROOT

pytestmark = [pytest.mark.server, pytest.mark.slow]


@contextmanager
def receiver() -> Generator[tuple[str, list[str]]]:
    """A webhook on loopback: its address, and the texts it got."""
    heard: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()


def python(environment, code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fill_in_block(environment, name: str, address: str) -> None:
    """What a user does in the UI under Blocks."""
    python(
        environment,
        "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
        f"Block(name='x', url='{address}', json_data={{'text': '{{{{subject}}}}: {{{{body}}}}'}}).save({name!r})",
    )


def test_in_a_whole_demo_drift_lost_quality_and_rollback_are_heard_once_each_and_nothing_else(tmp_path):
    with receiver() as (address, heard), running_stack(tmp_path / "workspace") as environment:
        assert "alerts are off (run failed" in flow(environment, "tasks.alerts")
        fill_in_block(environment, "alerts", address)
        for _ in range(2):
            assert "alerts are on" in flow(environment, "tasks.alerts")
        automations = prefect(environment, "automation", "ls").stdout
        assert automations.count("run failed") == automations.count("monitoring is silent") == 1
        flow(environment, "flows.lifecycle")
        wait_for(lambda: len(heard) >= 4)
    told = sorted(text[: text.index(":", 20)] for text in heard)
    assert told == [
        "[monitoring] drift: late-arrivals, window 2013-06-01",
        "[monitoring] drift: late-arrivals, window 2013-08-01",
        "[serving] degraded: late-arrivals, version 5",
        "[serving] rolled back: late-arrivals to version 3",
    ]


def test_failed_crashed_rejected_waiting_and_silent_are_heard_by_the_right_team(tmp_path):
    with (
        receiver() as (address, heard),
        receiver() as (data_address, data_heard),
        running_stack(tmp_path / "workspace", PARAMS_PROMOTION__MODE="review") as environment,
    ):
        fill_in_block(environment, "alerts", address)
        fill_in_block(environment, "alerts-data", data_address)
        flow(environment, "tasks.alerts")
        prefect(environment, "deployment", "run", "predict/daily", "--watch")
        wait_for(lambda: any(text.startswith("[platform] run failed: predict/") for text in heard))
        landing = Path(environment["WORKSPACE"]) / "landing" / "flights"
        landing.mkdir(parents=True)
        (landing / "broken.parquet").write_bytes(b"no parquet")
        prefect(environment, "deployment", "run", "ingest/hourly", "--watch")
        wait_for(lambda: bool(data_heard))
        flow(environment, "flows.train", "--as-of", "2013-04-01")
        wait_for(lambda: any(text.startswith("[training] review: version 1") for text in heard))
        prefect(environment, "deployment", "run", "train/weekly", "--param", "cause=hand")
        kill_flow(environment, "train/weekly")
        wait_for(lambda: any(text.startswith("[platform] run crashed: train/") for text in heard))
        hasten_silence(environment)
        wait_for(lambda: any(text.startswith("[monitoring] monitoring is silent") for text in heard))
    assert len(data_heard) == 1 and "landing/flights/broken.parquet" in data_heard[0]
    assert sorted(text.split(":")[0] for text in heard) == [
        "[monitoring] monitoring is silent",
        "[platform] run crashed",
        "[platform] run failed",
        "[platform] run failed",
        "[training] review",
    ]


def kill_flow(environment, name: str) -> None:
    """SIGKILL for the process of a run, as soon as it is at work."""
    wait_for(lambda: states(environment, name)[-1] == "Running")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"WORKSPACE={environment['WORKSPACE']}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if ours and b"prefect.engine" in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue


def hasten_silence(environment) -> None:
    """Let the alarm of silence wait for 20 s instead of 25 h."""
    specs = yaml.safe_load((ROOT / "automations.yaml").read_text())["automations"]
    silent = next(spec for spec in specs if spec["name"] == "monitoring is silent")
    silent["trigger"]["within"] = 20
    python(environment, f"from tasks.alerts import bring_in_line; bring_in_line([{silent!r}])")
