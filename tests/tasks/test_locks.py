"""Of two processes with the same work one waits, says so, and gives up in one sentence."""

import threading

import pytest

from tasks.errors import InputError
from tasks.locks import only_one


def test_the_second_waits_for_the_first_to_end_and_says_so(store, capsys):
    order, started = [], threading.Event()

    def first() -> None:
        with only_one("ingest"):
            started.set()
            threading.Event().wait(0.3)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    started.wait()
    with only_one("ingest"):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert "another ingest is running: waiting for its end" in capsys.readouterr().out


def test_it_gives_up_in_time(store):
    message = "another ingest has been running for 0.1 s: end it first"
    with only_one("ingest"), pytest.raises(InputError, match=message), only_one("ingest", 0.1):
        pass
