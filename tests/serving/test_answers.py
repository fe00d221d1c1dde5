"""An endpoint answers as a batch would, to the bit, logs what it answered, and the batch side takes it in once."""

import json
import threading
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from endpoints import MODEL, as_requests, running_endpoint

from tasks.core.store import store as open_store
from tasks.core.tables import insert_new, read_rows
from tasks.data.clock import resolve_as_of
from tasks.data.feature_frame import build_feature_frame
from tasks.inference.answers import forget_inputs, take_in_answers
from tasks.inference.prediction_log import PREDICTIONS, key_text, score_rows
from tasks.registry.decision_log import read_log
from tasks.registry.versions import load_version

UNSEEN = {"carrier": "ZZ", "dest": "QQQ", "tailnum": None}


def logged() -> pl.DataFrame:
    return read_rows(PREDICTIONS)


@pytest.fixture
def long_history(monkeypatch):
    """The context of 14 days, more than 10,000 flights."""
    monkeypatch.setenv("PARAMS_SERVE__HISTORY", "14d")


def test_ten_thousand_rows_score_as_in_a_batch_and_in_a_training(long_history, flights, use_case, snapshot, params):
    as_of = resolve_as_of(None, snapshot, use_case, "data")
    frame, _ = build_feature_frame.fn(snapshot, use_case, as_of, flights["time_hour"].min(), params.validation)
    expected = frame.select("event_time", key=key_text(frame)).with_columns(
        score=pl.Series(load_version(read_log(MODEL), "1").scorer.score(frame))
    )
    rows = as_requests(flights)
    assert len(rows) > 10_000 and flights["tailnum"].null_count()
    with running_endpoint() as endpoint:
        lists, singly = [rows[i : i + 1000] for i in range(0, len(rows) - 200, 1000)], rows[-200:]
        for replies in ([endpoint.ask(part) for part in lists], [endpoint.ask(row) for row in singly]):
            assert {reply.status for reply in replies} == {200}
        strange = endpoint.ask(rows[0] | UNSEEN | {"flight": 9999})
        assert strange.status == 200 and 0 < strange.body["score"] < 1
    assert take_in_answers(use_case) == len(rows) + 1
    compared = expected.join(logged().select("key", online="score"), on="key")
    assert compared.height > 10_000 and (compared["score"] - compared["online"]).abs().max() == 0.0


def test_an_answer_says_what_it_is_made_of_and_is_on_record_once(flights, use_case, snapshot):
    row = as_requests(flights)[-1]
    with running_endpoint() as endpoint:
        first, again = endpoint.ask(row), endpoint.ask([row])
        assert endpoint.get("/metrics").body.count("serving_predicted_rows_total") == 3  # help, type and value
    assert (first.body["model"], first.body["version"], first.body["data_version"]) == (MODEL, "1", snapshot.version)
    assert again.body["scores"] == [first.body["score"]]
    assert first.body["context_age"]["planes"] is None and first.body["context_age"]["weather"] >= 0
    assert take_in_answers(use_case) == 1 and take_in_answers(use_case) == 0
    kept = logged().row(0, named=True)
    assert kept["request_id"] == first.body["request_id"] and kept["score"] == first.body["score"]
    assert json.loads(kept["inputs"])["flight"] == row["flight"] and "flights" in json.loads(kept["context"])


def test_of_two_endpoints_the_first_answer_to_a_key_counts(flights, use_case):
    row = as_requests(flights)[-1]
    with running_endpoint() as one, running_endpoint() as other:
        one.ask(row | {"flight": 1})  # its file is the older one
        first = other.ask(row | {"distance": 100})
        later = one.ask(row | {"distance": 4_000})
    assert take_in_answers(use_case) == 2
    kept = logged().filter(pl.col("request_id") == first.body["request_id"])
    assert kept.height == 1 and later.body["request_id"] not in logged()["request_id"]


def test_what_was_answered_counts_in_a_later_batch(flights, use_case, snapshot, params):
    with running_endpoint() as endpoint:
        endpoint.ask(as_requests(flights.tail(50)))
        assert take_in_answers(use_case) == 50  # while it is being written to
        assert take_in_answers(use_case) == 0
    as_of = resolve_as_of(None, snapshot, use_case, "data")
    frame, _ = build_feature_frame.fn(snapshot, use_case, as_of, flights["time_hour"].min(), params.validation)
    frame = frame.tail(100)
    scorer = load_version(read_log(MODEL), "1").scorer
    scored = score_rows(MODEL, frame, scorer, "1", None, snapshot.version, as_of)
    assert scored == 50 and logged().filter(pl.col("request_id").is_not_null()).height == 50


def test_inputs_are_kept_of_the_share_that_is_set_and_forgotten_in_time(flights, use_case, snapshot):
    with running_endpoint() as endpoint:
        endpoint.ask(as_requests(flights.tail(400)))
    assert take_in_answers(use_case, log_inputs=0.5) == 400
    assert 130 < logged()["inputs"].null_count() < 270
    forget_inputs(MODEL, timedelta(days=1), datetime.now(UTC))
    assert logged()["inputs"].null_count() < 400
    forget_inputs(MODEL, timedelta(days=1), datetime.now(UTC) + timedelta(days=2))
    assert logged()["inputs"].null_count() == 400 and not logged()["score"].null_count()


def test_on_a_signal_it_answers_what_it_accepted(flights):
    row, replies = as_requests(flights)[-1], []
    with running_endpoint() as endpoint:
        threads = [
            threading.Thread(target=lambda n=n: replies.append(try_to_ask(endpoint, row | {"flight": n})))
            for n in range(1, 40)
        ]
        for thread in threads:
            thread.start()
        endpoint.process.terminate()
        for thread in threads:
            thread.join()
        endpoint.process.wait(60)
        answered = [reply for reply in replies if reply and reply.status == 200]
        assert endpoint.process.returncode in (0, -15)
        assert "Traceback" not in endpoint.log.read_text()
    ids = {json.loads(line)["request_id"] for line in read_lines()}
    assert {reply.body["request_id"] for reply in answered} <= ids


def try_to_ask(endpoint, row):
    """The answer; None where the connection was refused, since it ended before."""
    try:
        return endpoint.ask(row)
    except OSError:
        return None


def read_lines() -> list[str]:
    names = open_store().list(f"served/{MODEL}")
    return [line for name in names for line in open_store().find(name).decode().splitlines()]


def test_an_older_table_of_predictions_gets_the_new_column(store):
    old = PREDICTIONS._replace(schema={name: kind for name, kind in PREDICTIONS.schema.items() if name != "context"})
    row = {"model": MODEL, "day": date(2013, 1, 1), "key": "1"}
    assert insert_new(old, pl.DataFrame([row])) == 1
    assert logged()["context"].to_list() == [None]
    assert insert_new(PREDICTIONS, pl.DataFrame([row | {"key": "2", "context": "{}"}])) == 1
    assert logged().sort("key")["context"].to_list() == [None, "{}"]
