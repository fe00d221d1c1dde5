"""From a message to an answer that knows it: stream, landing, ingest, context, endpoint."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta

import polars as pl
import pytest
from brokers import as_messages
from endpoints import WAIT, as_requests, running_endpoint

from stack.local_stack import ROOT

pytestmark = pytest.mark.prove
EVERY = "30s"


def test_a_message_is_in_the_features_of_the_next_answers(flights, broker, snapshot, tmp_path):
    """`ml consume --ingest` does all of it; seconds are printed, none is asked for."""
    row, topic = as_requests(flights.tail(1))[0], f"weather-{time.time_ns()}"
    weather = pl.read_parquet(snapshot.files["weather.parquet"]).filter(pl.col("origin") == row["origin"]).tail(1)
    later = weather.with_columns(pl.col("time_hour") + timedelta(hours=1), temp=pl.lit(99.0, pl.Float32))
    source = {"kind": "stream", "table": "weather", "servers": broker.servers, "topic": topic, "land": EVERY}
    environment = os.environ | {"PARAMS_SOURCES__OBSERVATIONS": json.dumps(source), "PARAMS_INGEST__EVERY": EVERY}
    broker.send(topic, as_messages(weather))
    with running_endpoint() as endpoint, (tmp_path / "consume.log").open("w") as log:
        command = [sys.executable, "-m", "flows.cli", "consume", "--ingest"]
        consumer = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: "1 row" in (tmp_path / "consume.log").read_text(), consumer, tmp_path)
            before = endpoint.state()["data_version"]
            sent = time.monotonic()
            broker.send(topic, as_messages(later))
            wait_until(lambda: endpoint.state()["data_version"] != before, consumer, tmp_path)
            print(f"from message to endpoint: {time.monotonic() - sent:.0f} s")
        finally:
            consumer.terminate()
            consumer.wait()


def wait_until(holds, process, folder) -> None:
    give_up = time.monotonic() + WAIT
    while not holds():
        assert process.poll() is None and time.monotonic() < give_up, (folder / "consume.log").read_text()
        time.sleep(0.2)
