"""Whatever is sent, the answer names the field and the rule, repeats nothing of it, and the endpoint goes on."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from endpoints import WAIT, as_requests, hand_over, running_endpoint
from stores import make_three_versions, new_workspace, use_workspace

from tasks.core.workspace import workspace

HALF = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
END = b"\r\n\r\n"
ALIVE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
WITH_BODY = b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
MARK = "s3cret"  # in what is sent, never in what is answered
NOT_JSON = [
    b"",
    b" ",
    b"nonsense",
    b"{",
    b"[",
    b"\xff\xfe\x00",
    b'"\\ud800"',
    b"{'a': 1}",
    b"[1,]",
    b"NaN",
    b"null null",
]
NO_ROWS = [b"null", b"true", b"1", b'"s3cret"', b"[]", b"{}", b"[[]]", b"[null]", b'["s3cret"]', b'{"s3cret": 1}']
DEEP = [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 1_000 + b"]" * 1_000]
VALUES = {
    "minute": [None, "5", True, 5.5, -1, 60, 10**400, [5], {"s3cret": 5}, "s3cret"],
    "distance": [0, 10_001, 1e300, "", "12", False],
    "carrier": [None, "", "a", "s3cret", "ABC", 12, "\u0000A", "A" * 100_000],
    "tailnum": ["x" * 9, "ü" * 8, 5, ["s3cret"]],
    "time_hour": [
        None,
        "s3cret",
        "0001-01-01T00:00:00Z",
        "9999-12-31T00:00:00Z",
        "2013-12-31T20:30:00Z",
        "2013-12-31T20:00:00",
        "2013-13-01T00:00:00Z",
        "2013-12-31",
        1388520000,
        "1969-12-31T23:00:00Z",
    ],
    "day": [0, 32],
}
RAW = {
    "NaN": ('"minute": 5', '"minute": NaN'),
    "infinite": ('"minute": 5', '"minute": Infinity'),
    "too large for a double": ('"minute": 5', '"minute": 1e999'),
    "a lone surrogate": ('"carrier": "UA"', '"carrier": "\\ud800"'),
    "twice the same field": ('"minute": 5', '"minute": 5, "minute": 6'),
    "twice, written otherwise": ('"minute": 5', '"minute": 5, "min\\u0075te": 6'),
    "a field more": ('"minute": 5', '"minute": 5, "s3cret": 1'),
    "an outcome": ('"minute": 5', '"minute": 5, "arr_delay": 1'),
    "a field less": ('"minute": 5, ', ""),
}


@pytest.fixture(scope="module")
def endpoint(module_flights):
    with running_endpoint(PARAMS_SERVE__MAX_BODY="200000") as running:
        yield running


@pytest.fixture(scope="module")
def module_flights(tmp_path_factory, tiny_model, snapshot, use_case):
    """The flights of a workspace that the tests of this file share."""
    before = workspace().root
    use_workspace(new_workspace(tmp_path_factory.mktemp("hostile") / "work späce"))
    make_three_versions(tiny_model)
    yield hand_over(snapshot, use_case)
    use_workspace(before)


@pytest.fixture(scope="module")
def row(module_flights):
    fields = as_requests(module_flights.tail(1))[0]
    return dict(sorted((fields | {"minute": 5, "carrier": "UA", "day": 31, "month": 12}).items()))


def refused(reply) -> None:
    assert 400 <= reply.status < 500, reply
    text = json.dumps(reply.body)
    assert MARK not in text and "Traceback" not in text
    assert reply.body["faults"] and all(fault["rule"] and fault["message"] for fault in reply.body["faults"])


@pytest.mark.parametrize("body", [*NOT_JSON, *NO_ROWS, *DEEP], ids=lambda body: repr(body[:12]))
def test_what_is_no_row_is_refused(endpoint, body):
    refused(endpoint.ask(body))


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in VALUES.items() for value in values],
    ids=lambda x: repr(x)[:20],
)
def test_a_value_that_the_contract_does_not_allow_is_refused_by_its_field(endpoint, row, field, value):
    reply = endpoint.ask(row | {field: value})
    refused(reply)
    said = reply.body["faults"][0]
    assert (
        field in said["where"]
        or said["rule"] in ("horizon", "json_invalid")
        or "_" in said["rule"]
        or "|" in said["rule"]
    )


@pytest.mark.parametrize("case", RAW)
def test_what_only_text_can_say_is_refused(endpoint, row, case):
    old, new = RAW[case]
    text = json.dumps(row)
    assert old in text, text
    refused(endpoint.ask(text.replace(old, new).encode()))


def test_sizes_are_bounded_and_so_is_memory(endpoint, row):
    refused(endpoint.ask(b" " * 250_000))
    with suppress(OSError):  # it may hang up on who goes on sending
        refused(endpoint.ask(b" " * 50_000_000))
    refused(endpoint.ask([row | {"flight": n + 1} for n in range(1_001)]))
    refused(endpoint.ask([row, row]))
    assert endpoint.memory() <= 300


def test_a_rule_of_the_contract_is_named(endpoint, row):
    reply = endpoint.ask(row | {"month": 2, "day": 30})
    assert (reply.status, reply.body["faults"][0]["rule"]) == (409, "local_date_exists")


def test_only_json_is_read_and_only_for_this_host(endpoint, row):
    assert endpoint.post("/predict", row, Content_Type="text/plain").status == 415
    assert endpoint.get("/ready", Host="evil.example").status == 400
    assert endpoint.get("/nothing").status == 404 and endpoint.get("/predict").status == 405


def test_one_bad_row_keeps_nobody_else_from_an_answer(endpoint, row):
    rows = [row | {"flight": n + 1} | ({"day": 30, "month": 2} if n % 5 == 0 else {}) for n in range(100)]
    with ThreadPoolExecutor(16) as pool:
        statuses = [reply.status for reply in pool.map(endpoint.ask, rows)]
    assert statuses == [409 if n % 5 == 0 else 200 for n in range(100)]


@pytest.mark.slow
def test_who_never_ends_a_request_is_hung_up_on_and_keeps_nobody_out(module_flights, row):
    with running_endpoint() as slow:
        unfinished = (
            b"",
            b"POST /predict HTTP/1.1\r\nHost: loc",
            HALF,
            ALIVE,
            ALIVE + b"\r\n",
            WITH_BODY,
            WITH_BODY + b"x",
        )
        connections = [socket.create_connection(("127.0.0.1", slow.port)) for _ in unfinished]
        for connection, sent in zip(connections, unfinished, strict=True):
            for part in sent.partition(END)[:2], sent.partition(END)[2:]:  # the rest when the head is answered
                with suppress(OSError):  # it may be hung up on by then
                    connection.sendall(b"".join(part))
                assert slow.ask(row).status == 200
        answers = [connection.makefile("rb").read() for connection in connections]  # until they are closed
        assert answers[:2] == [b"", b""] and b"408" in answers[2]
        assert all(b"200 OK" in answer for answer in answers[3:])


@pytest.mark.slow
def test_who_takes_no_answer_is_hung_up_on(module_flights):
    with running_endpoint() as slow, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", slow.port))
        deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        slow.wait_for(lambda _: slow.holds(deaf))
        slow.wait_for(lambda _: not slow.holds(deaf))


@pytest.mark.parametrize(
    "offer", ["Upgrade: websocket", "UPGRADE: h2c", "upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"]
)
def test_an_offer_of_another_protocol_is_passed_over(endpoint, row, offer):
    body = json.dumps(row).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n{offer}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=WAIT) as connection:
        connection.sendall(head.encode() + body)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 OK") and b'"score":' in answer


def test_who_asks_and_says_no_more_is_answered(endpoint, row):
    body = json.dumps(row).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=WAIT) as connection:
        connection.sendall(head.encode() + END + body)
        connection.shutdown(socket.SHUT_WR)
        assert b'"score":' in connection.makefile("rb").read()


def test_a_client_that_goes_away_in_the_middle_disturbs_nobody(endpoint, row):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", endpoint.port)) as half:
            half.sendall(HALF)
    assert endpoint.ask(row).status == 200
    assert "Traceback" not in endpoint.log.read_text() and endpoint.process.poll() is None
