"""One round of training at a time, and none where nothing is new."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import polars as pl
from filelock import FileLock, Timeout

from tasks import logbook
from tasks.errors import InputError
from tasks.frame import digest_rows
from tasks.gate import Verdict
from tasks.keys import make_key
from tasks.params import STORE, Params
from tasks.training import Challenger

WAIT_SECONDS = 3600

# Settings that change nothing of a challenger or its verdict, or only by way of the feature frame.
APART: dict[str, Any] = {"clock": True, "data": True, "validation": True, "tuning": {"workers"}}


@contextmanager
def one_at_a_time(model: str) -> Generator[None]:
    """Wait for other trainings of this model to end; records of those that died are closed as failed."""
    STORE.mkdir(parents=True, exist_ok=True)
    lock = FileLock(STORE / f"training-{model}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another training of {model} is running: waiting for its end")
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout:
            raise InputError(
                f"another training of {model} has been running for {WAIT_SECONDS} s: end it first"
            ) from None
    try:
        for record in logbook.find_records(model, "training"):
            if record.info.status == "RUNNING":
                logbook.close_record(record.info.run_id, done=False)
        yield
    finally:
        lock.release()


def training_key(frame: pl.DataFrame, params: Params) -> str:
    """What a challenger and its verdict depend on besides the champion: rows, recipe, code and lock."""
    return make_key("training", "tuning", rows=digest_rows(frame), params=params.model_dump(mode="json", exclude=APART))


def find_challenger(model: str, key: str) -> Challenger | None:
    """The newest challenger that was trained under this key; None if there is something new to learn."""
    for record in reversed(logbook.find_records(model, "training")):
        if record.info.status == "FINISHED" and record.data.tags.get("key") == key:
            card = logbook.read_evidence(model, record.info.run_id)
            verdict = Verdict.model_validate(card["verdict"])
            return Challenger(record.data.tags["version"], verdict, card["judged_against"])
    return None
