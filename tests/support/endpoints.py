"""An endpoint as a process of its own, and who asks it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import polars as pl

from serving.held import load_index
from stack.local_stack import ROOT, free_port
from tasks.core.handover import ServingContext
from tasks.core.params import Params
from tasks.operations.serving import hand_over_contexts
from tasks.registry.promotion import promote_by_hand

WAIT = 300  # seconds until a test gives up; nothing is measured in them
MODEL = "late-arrivals"


class Reply(NamedTuple):
    """What an endpoint answered."""

    status: int
    body: Any
    headers: dict[str, str]


class Endpoint:
    """A running endpoint."""

    def __init__(self, port: int, process: subprocess.Popen[str], log: Path, host: str = "127.0.0.1") -> None:
        self.port, self.process, self.log = port, process, log
        self.address = f"http://{host}:{port}"

    def get(self, path: str, **headers: str) -> Reply:
        return send(Request(f"{self.address}{path}", headers=headers))

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """Bytes are sent as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {"Content-Type": "application/json"} | {name.replace("_", "-"): v for name, v in headers.items()}
        return send(Request(f"{self.address}{path}", data=content, headers=names, method="POST"))

    def ask(self, rows: Any) -> Reply:
        return self.post("/predict", rows)

    def state(self, model: str = MODEL) -> dict[str, Any]:
        return self.get("/ready").body[model]

    def wait_for(self, holds) -> dict[str, Any]:
        """The state of the model as soon as a condition on it holds."""
        give_up = time.monotonic() + WAIT
        while not holds(state := self.state()):
            assert time.monotonic() < give_up and self.process.poll() is None, (state, self.log.read_text())
            time.sleep(0.05)
        return state

    def holds(self, client: socket.socket) -> bool:
        """Whether the process holds its end of a connection."""
        port = client.getsockname()[1]
        lines = map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
        ends = {(line[1][-4:], line[2][-4:]): line[9] for line in lines}
        return ends.get((f"{self.port:04X}", f"{port:04X}"), "0") != "0"  # 0 is a socket of no process

    def memory(self) -> int:
        """The most that the process held at once, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def send(request: Request) -> Reply:
    try:
        with urlopen(request, timeout=WAIT) as answer:  # noqa: S310
            return Reply(answer.status, read(answer.read()), dict(answer.headers))
    except HTTPError as refused:
        return Reply(refused.code, read(refused.read()), dict(refused.headers))


def read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


@contextmanager
def running_endpoint(
    *options: str, ready: bool = True, host: str = "127.0.0.1", **variables: str
) -> Generator[Endpoint]:
    """An endpoint of this process's workspace, ready where it can be; ended at the end, if it is not yet."""
    port, folder = free_port(), Path(os.environ["WORKSPACE"])
    log = folder / f"endpoint-{port}.log"
    command = [sys.executable, "-m", "serving", "--port", str(port), *(options or ("--model", MODEL))]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"} | variables
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output, text=True)
    endpoint, give_up = Endpoint(port, process, log, host), time.monotonic() + WAIT
    try:
        while not answers(endpoint, ready):
            assert time.monotonic() < give_up and process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield endpoint
    finally:
        process.terminate()
        process.wait(60)


def answers(endpoint: Endpoint, ready: bool) -> bool:
    try:
        return endpoint.get("/ready" if ready else "/health").status == 200
    except OSError:
        return False


def as_requests(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON takes them."""
    return rows.with_columns(pl.selectors.temporal().dt.to_string("iso:strict")).to_dicts()


def hand_over(snapshot, use_case) -> pl.DataFrame:
    """Make version 1 champion; returns the flights that may be asked for, without their outcomes."""
    promote_by_hand(MODEL, "1", "the first", "data")
    hand_over_contexts(Params.load("").data, snapshot)
    context = ServingContext.read(MODEL)
    assert context is not None
    rows = load_index(use_case, context).frames["flights"]
    return rows.filter(use_case.event_time >= context.start).drop(use_case.predicted.outcomes)
