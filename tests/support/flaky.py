"""A proxy before an S3 endpoint whose answers fail as told."""

import http.client
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@contextmanager
def flaky(
    endpoint: str, fails: Callable[[int], bool], dead: Callable[[int], bool] = lambda number: False
) -> Generator[str]:
    """The address of the proxy.

    Args:
        endpoint: Who answers behind it.
        fails: Whether the n-th request is answered with 503.
        dead: Whether from the n-th request on the connection is cut.
    """
    lock, count = threading.Lock(), 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            nonlocal count
            with lock:
                count += 1
                number = count
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if dead(number):
                self.close_connection = True
                return
            if fails(number):
                self.answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>")
                return
            behind = http.client.HTTPConnection(urlsplit(endpoint).netloc)
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            kept = {
                k: v
                for k, v in answer.getheaders()
                if k.lower() not in ("transfer-encoding", "connection", "date", "server")
            }
            self.answer(answer.status, kept, answer.read())
            behind.close()

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            headers = headers if "Content-Length" in headers else headers | {"Content-Length": str(len(body))}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
