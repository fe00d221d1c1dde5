"""Who may ask, what others see of an endpoint, and rows that are sent to it."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from endpoints import MODEL, as_requests, hand_over, running_endpoint
from stacks import wait_for

from flows.ingest import ingest
from stack.local_stack import ROOT
from tasks.core.params import Params
from tasks.core.use_case import load_use_case
from tasks.data.landing import LandingPlace
from tasks.data.reader import read_table
from tasks.data.snapshot import pull_snapshot
from tasks.inference.answers import take_in_answers

KEY, OTHER, WRITE = "0123456789abcdef", "fedcba9876543210", "rows-0123456789abcdef"
WEATHER = {
    "time_hour": "2013-12-31T23:00:00Z",
    "origin": "JFK",
    "temp": 30.5,
    "dewp": None,
    "humid": 50,
    "wind_dir": 10,
    "wind_speed": 3.5,
    "wind_gust": None,
    "precip": 0,
    "pressure": 1010.5,
    "visib": 10,
}


def test_with_keys_only_who_has_one_of_them_is_answered(flights):
    row = as_requests(flights.tail(1))[0]
    with running_endpoint(SERVE_API_KEYS=f"{KEY}, {OTHER}") as endpoint:
        for wrong in ({}, {"X_API_Key": "nonsense"}, {"X_API_Key": KEY + "0"}, {"Authorization": "Bearer ü"}):
            reply = endpoint.post("/predict", row, **wrong)
            assert (reply.status, reply.body["faults"][0]["rule"]) == (401, "api_key")
        assert endpoint.get("/metrics").status == endpoint.get("/health").status == 200
        for right in ({"X_API_Key": KEY}, {"Authorization": f"Bearer {OTHER}"}):
            assert endpoint.post("/predict", row, **right).status == 200
        assert endpoint.post("/tables/weather/rows", WEATHER, X_API_Key=KEY).status == 403
        assert KEY not in endpoint.log.read_text()


@pytest.mark.parametrize(
    ("options", "variables", "sentence"),
    [
        (["--host", "0.0.0.0"], {}, "0.0.0.0 can be reached by others: set SERVE_API_KEYS"),
        ([], {"SERVE_API_KEYS": "short"}, "a key of SERVE_API_KEYS has fewer than 16 characters"),
        ([], {"SERVE_API_KEYS": "schlüssel-über-alles-0123"}, "or others than ASCII"),
        (["--model", "nonsense"], {}, "project/ holds no model 'nonsense'"),
        (["--host", "192.0.2.1"], {"SERVE_API_KEYS": KEY}, "192.0.2.1:8000 cannot be served"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(options, variables, sentence, own_workspace):
    command = [sys.executable, "-m", "serving", *options]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr


@pytest.mark.server
def test_rows_that_are_sent_become_data_once(flights, params, server):
    with running_endpoint() as endpoint:
        replies = [
            endpoint.post("/tables/weather/rows", body) for body in (WEATHER, [WEATHER], {**WEATHER, "temp": 31})
        ]
        assert [(reply.status, reply.body) for reply in replies] == [(202, {"rows": 1})] * 3
        for wrong in ({**WEATHER, "temp": "31"}, {**WEATHER, "more": 1}, {"origin": "JFK"}, b"nonsense"):
            assert 400 <= endpoint.post("/tables/weather/rows", wrong).status < 500
        assert endpoint.post("/tables/nothing/rows", WEATHER).status == 404
        flight = as_requests(flights.tail(1))[0] | {"day": 30, "month": 2}
        flight |= {"dep_delay": None, "arr_delay": None, "air_time": None}
        assert endpoint.post("/tables/flights/rows", flight).body["faults"][0]["rule"] == "local_date_exists"
    use_case = load_use_case(MODEL)
    before = pull_snapshot.fn(None, params.data)
    ingest(params=Params.load(""))
    after = pull_snapshot.fn(None, params.data)
    span = (flights["time_hour"].min(), flights["time_hour"].max().replace(year=2014))
    rows = [read_table(snapshot, use_case, "weather", *span) for snapshot in (before, after)]
    assert rows[1].height - rows[0].height == 1
    assert rows[1].join(rows[0], on=["origin", "time_hour"], how="anti")["temp"].to_list() == [31]


def test_killed_after_its_answer_it_has_kept_the_rows(flights, own_workspace):
    with running_endpoint() as endpoint:
        endpoint.post("/tables/weather/rows", WEATHER)
        endpoint.process.kill()
    (part,) = (own_workspace / "landing" / "weather").iterdir()
    assert part.suffix == ".part" and b"1010.5" in part.read_bytes()
    part.write_bytes(part.read_bytes() + b'{"origin": "J')  # a torn line was never answered
    with running_endpoint() as other:
        other.post("/tables/planes/rows", {"tailnum": "N1", "year": 2000})
        LandingPlace("landing").recover()  # as ingest does
        assert [path.suffix for path in (own_workspace / "landing" / "planes").iterdir()] == [".part"]
    assert b"torn" not in (found := next((own_workspace / "landing" / "weather").iterdir())).read_bytes()
    assert found.read_bytes().endswith(b"}\n")
    assert [path.suffix for path in (own_workspace / "landing" / "weather").iterdir()] == [".jsonl"]


def test_the_api_describes_itself_with_an_example_that_works(flights):
    with running_endpoint() as endpoint:
        paths = endpoint.get("/openapi.json").body["paths"]
        content = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]
        assert endpoint.ask(content["example"]).status == 200
        explained = endpoint.post(f"/models/{MODEL}/explain", content["example"]).body
        assert explained["score"] == endpoint.ask(content["example"]).body["score"] and "temp" in explained["features"]
        assert endpoint.post(f"/models/{MODEL}/explain", [content["example"]] * 2).status in (409, 422)
        for table in ("flights", "weather", "planes"):
            body = paths[f"/tables/{table}/rows"]["post"]["requestBody"]["content"]["application/json"]
            assert endpoint.post(f"/tables/{table}/rows", body["example"]).status == 202, body["example"]


def test_with_keys_the_examples_are_made_up_and_work(flights):
    with running_endpoint(SERVE_API_KEYS=KEY) as endpoint:
        described = endpoint.get("/openapi.json").body
        example = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert endpoint.post("/predict", example, X_API_Key=KEY).status == 200
        assert described["components"]["securitySchemes"]
        assert flights.filter(carrier=example["carrier"], flight=example["flight"], dest=example["dest"]).is_empty()


@pytest.mark.parametrize("host", ["::1", "127.0.0.2", "localhost"])
def test_every_loopback_address_is_answered_by_its_own_name_only(host, flights):
    shown = f"[{host}]" if ":" in host else host
    with running_endpoint("--model", MODEL, "--host", host, ready=False, host=shown) as endpoint:
        assert endpoint.get("/health").status == 200
        assert endpoint.get("/health", Host="evil.example").body["faults"][0]["rule"] == "host"


class Addresses(HTMLParser):
    """What a page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def test_its_pages_load_nothing_from_elsewhere(flights):
    with running_endpoint() as endpoint:
        for path in ("/", "/docs"):
            page = endpoint.get(path)
            loaded = Addresses(page.body).found
            assert page.status == 200 and loaded and all(address.startswith("/") for address in loaded)
            for address in loaded:
                assert endpoint.get(address).status == 200, address
        assert "default-src 'self'" in endpoint.get("/").headers["content-security-policy"]
    assert not re.findall(r"https?://", (Path(ROOT) / "serving" / "page.html").read_text())


@pytest.mark.slow
def test_with_everything_on_s3_answers_and_rows_are_shipped_while_it_runs(
    s3_store, versions, snapshot, use_case, monkeypatch
):
    monkeypatch.setenv("PARAMS_INGEST__LANDING", "s3://shared/landing")
    row = as_requests(hand_over(snapshot, use_case).tail(1))[0]
    with running_endpoint(PARAMS_SERVE__SHIP="1s") as endpoint:
        first = endpoint.ask(row)
        assert endpoint.post("/tables/weather/rows", WEATHER).status == 202
        wait_for(
            lambda: s3_store.find("shared/landing/weather") and s3_store.find(f"shared/prefix/served/{MODEL}"), 300
        )
        assert take_in_answers(use_case) == 1 and endpoint.ask(row | {"flight": 1}).status == 200
    assert take_in_answers(use_case) == 1 and first.status == 200
    (landed,) = shipped(s3_store, "landing/weather")
    assert {name: json.loads(s3_store.cat(landed))[name] for name in ("origin", "temp", "dewp")} == {
        name: WEATHER[name] for name in ("origin", "temp", "dewp")
    }


def shipped(bucket, folder: str) -> list[str]:
    bucket.invalidate_cache()
    return [name for name in bucket.find(f"shared/{folder}") if name.endswith(".jsonl")]
