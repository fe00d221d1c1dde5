"""Sources and consumers that are killed at any state, or at random, lose and double nothing."""

import os
import random
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from kills import State, both, die_at, processes
from meters import TABLES, as_json, frame, reading, stored
from stores import new_workspace, use_workspace

from tasks.core.params import Params
from tasks.data.ledger import read_current_ledger
from tasks.data.quarantine import read_quarantine

SQL = {"kind": "sql", "table": "readings", "cursor": "updated_at", "start": "2013-05-01", "window": "20h"}
LANDED = "tasks.data.sources.landed:Landed.add"
STATES = [
    *both("tasks.data.sources.consumer:quarantine_messages"),
    *both(LANDED),
    *both(LANDED, 2),
    *both("tasks.core.files:sync"),  # the content is written, and the file has not its name yet
    *both("tasks.core.files:sync", 2),
    *both("tasks.data.sources.consuming:note_reading"),
]
KILLS, WAIT = 30, 300  # seconds until a test gives up; nothing is measured in them


def work(folder: Path, source: dict, death: State | None, once: bool) -> None:
    """Read one source of a workspace; what a stream brings is taken in later."""
    from landings import take_in_all

    from tasks.data.sources.consuming import consuming

    use_workspace(folder)
    if death:
        die_at(death)
    if source["kind"] != "stream":
        take_in_all(TABLES, {"meters": source})
        return
    params = Params.load().model_copy(update={"sources": {"meters": source}})
    with consuming(params, TABLES, None, False, once) as streams:
        while streams.wait(timedelta(seconds=1)):
            pass


def read(folder: Path, source: dict, death: State | None = None) -> int | None:
    """The exit code of a process that reads all there is, to its end or to its death."""
    process = processes.Process(target=work, args=(folder, source, death, True))
    process.start()
    process.join()
    return process.exitcode


@pytest.fixture
def folder(tmp_path):
    usual = Path(os.environ["WORKSPACE"])
    yield new_workspace(tmp_path / "workspace")
    use_workspace(usual)


def declare(broker, topic):
    options = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
    return {"kind": "stream", "table": "readings", "servers": broker.servers, "topic": topic, "options": options}


def check(folder: Path, rows: int) -> None:
    """All readings are in the data once, and no offset was landed twice."""
    from landings import take_in_all

    use_workspace(folder)
    take_in_all(TABLES)
    assert stored(folder) == {(1, n): n for n in range(rows)}
    names = [path.name.split("-") for path in (folder / "landing" / "readings").glob("*-p*.parquet")]
    offsets = [(name[1], n) for name in names for n in range(int(name[3]), int(name[4]) + 1)]
    assert len(offsets) == len(set(offsets))


@pytest.mark.chaos
@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.function} {state.call} {state.when}")
def test_a_consumer_that_is_killed_at_a_state_goes_on_where_it_was(state, folder, broker):
    source = declare(broker, f"states-{time.time_ns()}")
    broker.send(source["topic"], [as_json(reading(n)) for n in range(100)], map(str, range(100)))
    broker.send(source["topic"], [b"poison"], partition=0)
    assert read(folder, source, state) == -signal.SIGKILL
    broker.send(source["topic"], [as_json(reading(n)) for n in range(100, 120)], map(str, range(20)))
    assert read(folder, source) == 0
    check(folder, 120)
    assert read_quarantine(read_current_ledger()).height == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "state",
    [*both(LANDED), *both(LANDED, 3), *both("tasks.data.publish:record_version"), *both("tasks.core.files:sync", 2)],
    ids=lambda state: f"{state.function} {state.call} {state.when}",
)
def test_a_first_read_that_is_killed_goes_on_where_it_was(state, folder, postgres, monkeypatch):
    database = postgres.new_database()
    monkeypatch.setenv("DATABASE_URL", database.uri)
    database.fill("readings", frame([reading(n) for n in range(5_000)]), mode="create")
    died = processes.Process(target=in_environment, args=(database.uri, folder, SQL, state))
    died.start()
    died.join()
    assert died.exitcode == -signal.SIGKILL
    database.fill("readings", frame([reading(n) for n in range(5_000, 5_100)]))
    again = processes.Process(target=in_environment, args=(database.uri, folder, SQL, None))
    again.start()
    again.join()
    assert again.exitcode == 0
    check(folder, 5_100)


def in_environment(uri: str, folder: Path, source: dict, death: State | None) -> None:
    """The same with a database."""
    os.environ["DATABASE_URL"] = uri
    work(folder, source, death, True)


@pytest.mark.chaos
def test_thirty_kills_at_random_of_two_consumers_lose_and_double_nothing(folder, broker):
    chance, source, sent = random.Random(20), declare(broker, f"chaos-{time.time_ns()}") | {"land": "1s"}, 0
    living = [start(folder, source) for _ in range(2)]
    for kill in range(KILLS):
        before = count_files(folder)
        for _ in range(chance.randint(1, 5)):
            rows = range(sent, sent + chance.randint(1, 200))
            broker.send(source["topic"], [as_json(reading(n)) for n in rows], [str(n) for n in rows])
            sent = rows.stop
        wait_for_landing(folder, before if kill % 3 else before - 1)  # each third at once, whatever it is doing
        number = chance.randrange(2)
        living[number].kill()
        living[number].join()
        living[number] = start(folder, source)
    for process in living:
        process.kill()
        process.join()
    assert read(folder, source) == 0
    from landings import take_in_all

    use_workspace(folder)
    take_in_all(TABLES)
    assert stored(folder) == {(1, n): n for n in range(sent)}


def start(folder: Path, source: dict):
    process = processes.Process(target=work, args=(folder, source, None, False))
    process.start()
    return process


def count_files(folder: Path) -> int:
    return len(list((folder / "landing" / "readings").glob("*.parquet")))


def wait_for_landing(folder: Path, more_than: int) -> None:
    give_up = time.monotonic() + WAIT
    while count_files(folder) <= more_than:
        assert time.monotonic() < give_up, "nothing lands any more"
        time.sleep(0.05)
