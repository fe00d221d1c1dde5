"""No answer is lost or counted twice, whenever the endpoint or who takes its log in is killed."""

import asyncio
import itertools
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from endpoints import MODEL, as_requests, running_endpoint
from kills import both, die_at, processes
from stores import use_workspace

from serving.journal import Journal
from tasks.core.store import store as open_store
from tasks.core.tables import read_rows
from tasks.core.use_case import load_use_case
from tasks.inference.answers import take_in_answers
from tasks.inference.prediction_log import PREDICTIONS

CLIENTS = 4
STATES = [
    *both("tasks.inference.answers:insert_new"),
    *both("tasks.inference.answers:read_answers"),
    *both("tasks.core.store:Store.remove"),
]


def ask_until_it_dies(row: dict, numbers: Iterator[int], fsync: str) -> list[tuple[int, float]]:
    """What an endpoint answered of flights with growing numbers until it was killed; each is asked for once."""
    answered, enough, lock = [], threading.Event(), threading.Lock()

    def go_on_asking() -> None:
        while True:
            with lock:
                number = next(numbers)
            try:
                reply = endpoint.ask(row | {"flight": number})
            except OSError:
                return
            answered.append((number, reply.body["score"]))
            if len(answered) >= 20:
                enough.set()

    with running_endpoint(PARAMS_SERVE__FSYNC=fsync) as endpoint:
        threads = [threading.Thread(target=go_on_asking) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        assert enough.wait(300)
        endpoint.process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    return answered


def check_log(answered: list[tuple[int, float]]) -> None:
    """All that was answered is in the table, once, with the score that was answered."""
    kept = read_rows(PREDICTIONS).with_columns(
        pl.col("inputs").str.json_path_match("$.flight").cast(int).alias("flight")
    )
    assert kept["key"].is_unique().all()
    scores = dict(zip(kept["flight"], kept["score"], strict=True))
    assert [number for number, score in answered if scores.get(number) != score] == []


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.prove)])
def test_killed_under_load_it_has_logged_all_that_it_answered(kills, flights, use_case):
    row, answered = as_requests(flights.tail(1))[0], []
    for kill in range(kills):
        answered += ask_until_it_dies(row, itertools.count(1 + 1_000 * kill), ("true", "false")[kill % 2])
        if kill % 2:
            take_in_answers(use_case)
    with running_endpoint():
        pass  # it finishes what the killed ones left
    take_in_answers(use_case)
    check_log(answered)
    assert open_store().list(f"served/{MODEL}") == []


def take_in_and_die(folder: Path, state) -> None:
    use_workspace(folder)
    die_at(state)
    take_in_answers(load_use_case(MODEL))


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.when} {state.function.partition(':')[2]}")
def test_whoever_takes_the_log_in_may_die_at_any_state(state, flights, use_case, own_workspace):
    with running_endpoint() as endpoint:
        answered = [(row["flight"], endpoint.ask(row).body["score"]) for row in as_requests(flights.tail(30))]
    process = processes.Process(target=take_in_and_die, args=(own_workspace, state))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    take_in_answers(use_case)
    assert read_rows(PREDICTIONS).height == 30 == len(answered)
    assert open_store().list(f"served/{MODEL}") == []


def test_a_torn_line_counts_as_not_answered_and_a_damaged_one_is_kept_and_told(flights, use_case, capsys):
    with running_endpoint() as endpoint:
        for row in as_requests(flights.tail(3)):
            endpoint.ask(row)
    (file,) = (Path(open_store().address) / "served" / MODEL).iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b'{"model": nonsense}\n' + lines[1] + lines[2][:-20])
    assert take_in_answers(use_case) == 2
    assert "1 lines of" in capsys.readouterr().out
    assert file.with_name(f"{file.name}.damaged").read_bytes() == b'{"model": nonsense}'
    assert take_in_answers(use_case) == 0


def test_a_full_disk_is_a_refusal_and_no_half_line(tmp_path, monkeypatch):
    journal, write = Journal(tmp_path, fsync=True), os.write
    journal.append(b"one\n")

    def half(file, content):
        if len(content) > 5:
            return write(file, content[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("serving.journal.os.write", half)
    with pytest.raises(OSError, match="No space"):
        journal.append(b"two two\n")
    monkeypatch.undo()
    journal.append(b"three\n")
    asyncio.run(journal.sync())
    journal.finish()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"one\nthree\n"]


def test_what_cannot_be_shipped_is_shipped_another_time(tmp_path):
    shipped, works = {}, []

    def ship(name: str, content: bytes) -> None:
        if not works:
            raise OSError("the bucket is away")
        shipped[name] = content

    journal = Journal(tmp_path, fsync=False, ship=ship)
    journal.append(b"one\n")
    journal.finish()
    with pytest.raises(OSError, match="away"):
        journal.send()
    works.append(True)
    journal.append(b"two\n")
    journal.finish()
    journal.send()
    assert sorted(shipped.values()) == [b"one\n", b"two\n"] and list(tmp_path.iterdir()) == []


def test_the_file_of_a_living_process_is_not_finished_by_another(tmp_path):
    living, other = Journal(tmp_path, fsync=False), Journal(tmp_path, fsync=False)
    living.append(b"one\n")
    other.recover()
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
