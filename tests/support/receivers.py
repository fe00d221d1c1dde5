"""Who hears the alerts: a real webhook on loopback; and a Prefect server that is out of order."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from stacks import python

from stack.local_stack import ROOT


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


@contextmanager
def broken_server() -> Generator[tuple[str, list[str]]]:
    """A server that answers everything with 503: the address of its API, and what it was asked."""
    asked: list[str] = []

    class Broken(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(503)
            self.end_headers()

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api", asked
    finally:
        server.shutdown()


def fill_in_block(environment, name: str, address: str) -> None:
    """What a user does in the UI under Blocks."""
    python(
        environment,
        "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
        f"Block(name='x', url='{address}', json_data={{'text': '{{{{subject}}}}: {{{{body}}}}'}}).save({name!r})",
    )


def hasten(environment, name: str, seconds: int) -> None:
    """Let an automation that waits for something wait no longer than this."""
    specs = yaml.safe_load((ROOT / "automations.yaml").read_text())["automations"]
    spec = next(spec for spec in specs if spec["name"] == name)
    spec["trigger"]["within"] = seconds
    python(environment, f"from tasks.operations.sync import sync_automations; sync_automations([{spec!r}])")
