"""Events reach a server that asks who we are, and one that stands still for a while; one that hangs is given up."""

import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from stacks import WAIT, client_of, read_until, wait_for

from stack.local_stack import clean_environment, free_port, start_server, stop
from tasks.core import events
from tasks.core.events import announce, server_answers


class Guarded(BaseHTTPRequestHandler):
    """Answers those alone who say who they are, as Prefect Cloud or a proxy does."""

    def do_GET(self):
        self.send_response(200 if self.headers.get("Authorization") else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("given", "heard"), [("user:password", True), (None, False)])
def test_a_guarded_server_answers_who_has_the_password(given, heard):
    guarded = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    threading.Thread(target=guarded.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{guarded.server_port}/api"
    with temporary_settings({PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: given}):
        assert server_answers() is heard
    guarded.shutdown()


def test_a_server_that_hangs_is_waited_for_once_and_its_events_are_said_to_be_lost(monkeypatch, capsys):
    monkeypatch.setattr(events, "STALL", 6)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{deaf.getsockname()[1]}/api"}):
            for _ in range(2):
                announce("model.promoted", "model.m", model="m")
    waited, *lost = capsys.readouterr().out.splitlines()
    assert "model.promoted waits for it, for up to 6 s" in waited
    assert [line[-46:] for line in lost] == ["model.promoted is not sent; the fact is on record"[-46:]] * 2


@pytest.mark.server
@pytest.mark.slow
def test_an_event_waits_out_a_server_that_stands_still(tmp_path):
    environment = clean_environment(tmp_path, PYTHONUNBUFFERED="1")
    server = start_server(environment, port := free_port())
    environment |= {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    os.kill(server.pid, signal.SIGSTOP)
    try:
        code = "from tasks.core.events import announce; announce('model.promoted', 'model.m.7', model='m')"
        with subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, stdout=subprocess.PIPE) as run:
            read_until(run, "model.promoted waits for it")
            os.kill(server.pid, signal.SIGCONT)
            assert "is not sent" not in run.communicate(timeout=WAIT)[0]
        with client_of(environment) as client:
            wait_for(lambda: "model.m.7" in client.request("POST", "/events/filter").text)
    finally:
        os.kill(server.pid, signal.SIGCONT)
        stop(server)


def test_a_dead_server_is_not_waited_for(capsys):
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        announce("model.promoted", "model.m", model="m")
    (lost,) = capsys.readouterr().out.splitlines()
    assert "does not answer, so model.promoted is not sent" in lost
