"""Events reach a server that asks who we are; one that hangs is not waited for."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

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


def test_a_server_that_hangs_costs_seconds_and_the_event_is_said_to_be_lost(capsys):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        started = time.monotonic()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{deaf.getsockname()[1]}/api"}):
            announce("model.promoted", "model.m", model="m")
    assert time.monotonic() - started < 50  # Prefect alone would wait for a minute, six times
    assert "does not answer, so model.promoted is not sent" in capsys.readouterr().out
