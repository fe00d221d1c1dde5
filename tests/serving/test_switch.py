"""Champions change under load: no request fails, none mixes two versions, and a broken one leaves the old serving."""

import itertools
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from endpoints import MODEL, WAIT, as_requests, running_endpoint

from serving.events import headers_for, send
from tasks.core.handover import ServedChampion, ServingContext
from tasks.core.store import store as open_store
from tasks.core.tables import read_rows
from tasks.core.use_case import META
from tasks.data.clock import resolve_as_of
from tasks.data.serving_context import hand_over_context
from tasks.inference.answers import take_in_answers
from tasks.inference.bundle import write_bundle
from tasks.inference.prediction_log import PREDICTIONS
from tasks.inference.scorer import Scorer
from tasks.operations.serving import hand_over_contexts
from tasks.registry.decision_log import read_log, record
from tasks.registry.entries import Judged
from tasks.registry.promotion import promote_by_hand, roll_back
from tasks.training.fit import fit_model, to_bytes

SWITCHES, CLIENTS = 10, 6


@pytest.fixture
def second(flights, use_case, params, year):
    """A version 4 that scores otherwise than version 1."""
    rows = year.head(2_000)
    model = fit_model.fn(use_case, rows, {"family": "linear", "C": 0.001}, params.seed)
    scorer, features = Scorer(to_bytes(model, rows.drop(META).schema)), rows.drop(META)
    bundle, digests = write_bundle(scorer, {"model": MODEL}, np.arange(3, dtype=np.uint64), features.head(5), {})
    facts = {"decision": "promote", "why": "", "judged_against": None, "by": "Ada", "cause": "hand", "key": "key 4"}
    facts |= {"data_version": "", "sha256": "", "bundle": bundle, "digests": digests}
    record(MODEL, Judged(version="4", as_of=datetime(2013, 9, 1, tzinfo=UTC), **facts))
    return "4"


def test_under_load_every_answer_is_whole_and_of_one_version(flights, second):
    rows, replies, over = as_requests(flights.tail(1))[0], [], threading.Event()

    def go_on_asking(client: int) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            replies.append(endpoint.ask(rows | {"flight": client * 1_000 + number % 1_000 + 1}))

    with running_endpoint() as endpoint:
        threads = [threading.Thread(target=go_on_asking, args=(client,)) for client in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for number in range(SWITCHES):
            version = (second, "1")[number % 2]
            promote_by_hand(MODEL, version, f"switch {number}", "data")
            endpoint.wait_for(lambda state, version=version: state["version"] == version)
        over.set()
        for thread in threads:
            thread.join()
        assert f'serving_switches_total{{model="{MODEL}"}} {SWITCHES + 1}.0' in endpoint.get("/metrics").body
    assert {reply.status for reply in replies} == {200} and len(replies) > SWITCHES * CLIENTS
    scores = {version: {r.body["score"] for r in replies if r.body["version"] == version} for version in ("1", second)}
    assert [len(found) for found in scores.values()] == [1, 1] and not scores["1"] & scores[second]


def test_a_damaged_version_leaves_the_old_one_serving_is_told_and_is_tried_again(flights, second):
    row = as_requests(flights.tail(1))[0]
    with running_endpoint() as endpoint:
        promote_by_hand(MODEL, second, "better", "data")
        endpoint.wait_for(lambda state: state["version"] == second)
        promote_by_hand(MODEL, "1", "back", "data")
        endpoint.wait_for(lambda state: state["version"] == "1")
        handed = ServedChampion.read(MODEL)
        file = Path(open_store().address) / "bundles" / handed.predecessor.bundle / "model.onnx"
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        broken = handed.model_copy(update={"champion": handed.predecessor, "entry": handed.entry + 1})
        broken.write(MODEL)
        state = endpoint.wait_for(lambda state: state["trouble"])
        assert state["version"] == "1" and "is not the file that was registered" in state["trouble"]
        assert endpoint.ask(row).body["version"] == "1" and endpoint.get("/ready").status == 200
        file.write_bytes(whole)
        state = endpoint.wait_for(lambda state: state["version"] == second)
        assert state["trouble"] is None and endpoint.ask(row).body["version"] == second


def test_new_data_is_seen_without_a_switch(flights, snapshot, use_case, params):
    as_of = resolve_as_of(None, snapshot, use_case, "data")
    with running_endpoint() as endpoint:
        since = endpoint.state()["since"]
        hand_over_context(replace(snapshot, version="another"), use_case, as_of, params)
        state = endpoint.wait_for(lambda state: state["data_version"] == "another")
        assert (state["since"], state["version"], state["trouble"]) == (since, "1", None)


def test_a_rollback_reaches_the_endpoint_and_the_predecessor_is_scored_beside(flights, second, use_case):
    row = as_requests(flights.tail(1))[0]
    with running_endpoint() as endpoint:
        old = endpoint.ask(row).body["score"]
        promote_by_hand(MODEL, second, "better", "data")
        endpoint.wait_for(lambda state: state["version"] == second)
        endpoint.ask(row | {"flight": 1})
        roll_back(MODEL, "worse", "data")
        endpoint.wait_for(lambda state: state["version"] == "1")
    take_in_answers(use_case)
    kept = read_rows(PREDICTIONS).sort("made_at")
    assert kept["predecessor_score"].to_list() == [None, old]


def test_without_a_champion_it_waits_for_one(versions, snapshot, params):
    with running_endpoint(ready=False) as endpoint:
        assert endpoint.get("/health").status == 200 and endpoint.get("/ready").status == 503
        refused = endpoint.ask({})
        assert refused.status in (422, 503)
        promote_by_hand(MODEL, "1", "the first", "data")
        hand_over_contexts(params.data, snapshot)
        assert endpoint.wait_for(lambda state: state["ready"])["version"] == read_log(MODEL).champion()


def test_a_store_of_another_contract_is_told_and_not_served(flights):
    context = ServingContext.read(MODEL)
    tables = {name: table for name, table in context.tables.items() if name != "weather"}
    context.model_copy(update={"tables": tables}).write(MODEL)
    with running_endpoint(ready=False) as endpoint:
        state = endpoint.wait_for(lambda state: "no table weather" in (state["trouble"] or ""))
        assert not state["ready"] and endpoint.get("/ready").status == 503


@pytest.mark.server
def test_trouble_is_told_by_an_event(flights, server):
    context = ServingContext.read(MODEL)
    with running_endpoint(PREFECT_API_URL=server):
        ServingContext.write(context.model_copy(update={"tables": {}}), MODEL)
        chosen = {"filter": {"event": {"name": ["endpoint.troubled"]}}}
        give_up = time.monotonic() + WAIT
        while not (found := read_events(server, chosen)):
            assert time.monotonic() < give_up
            time.sleep(0.5)
    assert found[0]["resource"]["prefect.resource.id"] == f"endpoint.{MODEL}"
    assert found[0]["payload"]["version"] == "1" and "holds no table" in found[0]["payload"]["reason"]


def read_events(server: str, chosen: dict) -> list[dict]:
    return json.loads(send(f"{server}/events/filter", json.dumps(chosen).encode(), headers_for(server)))["events"]
