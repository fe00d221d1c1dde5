"""A real HTTP server on loopback that gives rows as JSON, page by page, and fails as told."""

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Api:
    """What the server gives: rows with a time, by which they can be asked for.

    Attributes:
        rows: All rows.
        fails: Status, headers and body of the answer to the n-th request, or None for a good one.
        hangs: Whether the n-th request is never answered.
    """

    def __init__(self, cursor: str = "updated_at", size: int = 100) -> None:
        self.cursor, self.size = cursor, size
        self.rows: list[dict[str, Any]] = []
        self.fails: Callable[[int], tuple[int, dict[str, str], bytes] | None] = lambda number: None
        self.hangs: Callable[[int], bool] = lambda number: False
        self.asked: list[dict[str, str]] = []  # parameters of each request, and its headers in small letters
        self.address = ""
        self.style = "number"
        self._lock = threading.Lock()

    def note(self, asked: dict[str, str]) -> int:
        with self._lock:
            self.asked.append(asked)
            return len(self.asked)

    def answer(self, asked: dict[str, str]) -> tuple[Any, dict[str, str]]:
        """Body and headers of a good answer."""
        rows = [row for row in self.rows if self._is_wanted(row, asked)]
        if self.style == "none":
            return rows, {}
        at = int(asked.get("page", "0")) if self.style != "number" else (int(asked.get("page", "1")) - 1) * self.size
        page, rest = rows[at : at + self.size], at + self.size
        more = rest < len(rows)
        kept = "&".join(f"{name}={asked[name]}" for name in ("since", "until") if name in asked)
        link = f"{self.address}/rows?page={rest}&{kept}" if more else None
        if self.style == "link":
            return page, {"Link": f'<{link}>; rel="next"'} if link else {}
        body = {"data": {"items": page}, "next": link if self.style == "body link" else str(rest) if more else None}
        return body, {}

    def _is_wanted(self, row: dict[str, Any], asked: dict[str, str]) -> bool:
        since, until = (datetime.fromisoformat(asked[name]) if name in asked else None for name in ("since", "until"))
        moment = datetime.fromisoformat(row[self.cursor])
        return (since is None or since <= moment) and (until is None or moment < until)


@contextmanager
def running_api(**settings: Any) -> Generator[Api]:
    """The server; it is asked at api.address + "/rows"."""
    api = Api(**settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802
            given = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            number = api.note(given | {name.lower(): value for name, value in self.headers.items()})
            if api.hangs(number):
                time.sleep(600)
            failure = api.fails(number)
            if failure:
                self.reply(*failure)
                return
            body, headers = api.answer(given)
            self.reply(200, headers, json.dumps(body, default=str).encode())

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
