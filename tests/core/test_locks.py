"""Of two processes with the same work one waits, says so, and gives up in one sentence."""

import threading

import pytest

from tasks.core.errors import InputError
from tasks.core.locks import exclusive


def test_the_second_says_that_it_waits_for_the_first_to_end(store, monkeypatch):
    said, started, waiting = [], threading.Event(), threading.Event()

    def hear(text: str) -> None:
        said.append(text)
        waiting.set()

    def first() -> None:
        with exclusive("ingest"):
            started.set()
            waiting.wait(60)
            said.append("first")

    monkeypatch.setattr("builtins.print", hear)
    thread = threading.Thread(target=first)
    thread.start()
    started.wait()
    with exclusive("ingest"):
        said.append("second")
    thread.join()
    assert said == ["another ingest is running: waiting for its end", "first", "second"]


def test_it_gives_up_in_time(store):
    message = "another ingest has been running for 0.1 s: end it first"
    with exclusive("ingest"), pytest.raises(InputError, match=message), exclusive("ingest", 0.1):
        pass


def test_a_folder_of_locks_that_cannot_be_made_is_one_sentence(own_workspace):
    (own_workspace / "cache").write_text("a file in its place")
    with (
        pytest.raises(InputError, match="cache/locks cannot be written: .*; look at its permissions"),
        exclusive("ingest"),
    ):
        pass
