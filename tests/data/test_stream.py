"""A stream as a source: nothing lost or doubled through restarts and rebalances, and what is no row is kept."""

import json
import os
import signal
import time
from datetime import timedelta

import polars as pl
import pytest
from kills import processes
from landings import take_in_all
from meters import TABLES, as_json, reading, stored
from stores import use_workspace

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.data.ledger import read_current_ledger
from tasks.data.quarantine import read_quarantine
from tasks.data.sources.consuming import Consuming, choose_streams, consuming
from tasks.data.sources.declared import open_source

WAIT = 120  # seconds until a test gives up; nothing is measured in them


@pytest.fixture
def topic(own_workspace, broker, request):
    """The name of a topic of the test's own: it has four partitions as soon as something is sent."""
    return f"t{abs(hash(request.node.nodeid))}"


def declare(broker, name, **changes):
    """The settings with the stream as their only source."""
    source = {"kind": "stream", "table": "readings", "servers": broker.servers, "topic": name, "land": "1s"}
    options = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
    return Params.load().model_copy(update={"sources": {"meters": source | {"options": options} | changes}})


def drain(params, skip_lost=False) -> Consuming:
    """Consume what is there."""
    with consuming(params, TABLES, None, skip_lost, True) as streams:
        give_up = time.monotonic() + WAIT
        while streams.wait(timedelta(seconds=1)):
            assert time.monotonic() < give_up
    return streams


def send(broker, topic, numbers, partition=-1, **more):
    broker.send(topic, [as_json(reading(n, **more)) for n in numbers], [str(n) for n in numbers], partition)


def values(workspace) -> dict:
    take_in_all(TABLES)
    return stored(workspace)


def test_messages_become_rows_and_a_second_run_goes_on_after_them(broker, topic, own_workspace):
    params = declare(broker, topic)
    send(broker, topic, range(100))
    assert drain(params).rows == {"meters": 100} and drain(params).rows == {"meters": 0}
    assert len(values(own_workspace)) == 100
    for path in (own_workspace / "landing" / "readings").glob("*"):
        path.unlink()  # what was taken in is remembered
    send(broker, topic, range(100, 120))
    assert drain(params).rows == {"meters": 20} and values(own_workspace) == {(1, n): n for n in range(120)}


@pytest.mark.slow
def test_the_group_shows_how_far_it_is(broker, topic, own_workspace):
    from confluent_kafka import Consumer, TopicPartition

    send(broker, topic, range(100))
    drain(declare(broker, topic, group="mine"))
    group = Consumer({"bootstrap.servers": broker.servers, "group.id": "mine"})
    committed = group.committed([TopicPartition(topic, partition) for partition in range(4)], timeout=WAIT)
    group.close()
    assert sum(found.offset for found in committed) == 100


@pytest.mark.slow
def test_of_one_key_the_message_sent_last_counts_and_a_null_erases_nothing(broker, topic, own_workspace):
    rows = [reading(1, 5, note="first"), reading(1, 9, note=None), reading(2, 1), reading(1, 7, note=None)]
    broker.send(topic, map(as_json, rows), partition=0)
    drain(declare(broker, topic))
    take_in_all(TABLES)
    found = pl.read_parquet(own_workspace / "data" / "readings" / "2013-05.parquet").sort("at")
    assert found["value"].to_list() == [7, 1] and found["note"].to_list() == ["first", "n2"]


POISON = {
    "it is no JSON": b'{"meter": 1, ',
    "it is no JSON object": b"[1, 2]",
    "it is empty, as one that tells of a deletion is": None,
    "it lacks value": {k: v for k, v in as_json(reading(7)).items() if k != "value"},
    "value|dtype": as_json(reading(8)) | {"value": "many"},
    "meter|dtype": as_json(reading(9)) | {"meter": 99_999},
    "at|dtype": as_json(reading(9)) | {"at": "2013-05-01 00:00"},
}


@pytest.mark.slow
def test_what_is_no_row_is_in_quarantine_with_topic_and_offset_and_keeps_no_other_out(broker, topic, own_workspace):
    params = declare(broker, topic)
    send(broker, topic, range(5), partition=0)
    broker.send(topic, POISON.values(), partition=0)
    send(broker, topic, range(5, 7), partition=0)
    for _ in range(2):  # the second time nothing is new, nor is it where a crash came before the offsets
        streams = drain(params)
        for path in (own_workspace / "landing" / "readings").glob("*"):
            path.unlink()
    assert streams.rows == {"meters": 7}
    drain(params)
    assert len(values(own_workspace)) == 7
    held = read_quarantine(read_current_ledger())
    assert dict(held.select("file", "reason").rows()) == {
        f"{topic}/0/{5 + number}": reason for number, reason in enumerate(POISON)
    }


@pytest.mark.slow
def test_a_message_that_lacks_a_column_goes_in_once_it_may(broker, topic, own_workspace):
    from tasks.data.publish import adopt_version
    from tasks.data.quarantine import Chosen
    from tasks.data.replay import replay

    short = {name: value for name, value in as_json(reading(1)).items() if name != "note"}
    broker.send(topic, [short], partition=0)
    assert drain(declare(broker, topic)).rows == {"meters": 0}
    params = declare(broker, topic)
    landing = replay.fn(adopt_version.fn(params.data), TABLES, Chosen(), params)
    assert landing.changes[0].added == 1  # a person asked for it: what is missing is null
    params = declare(broker, topic, optional=["note"])
    broker.send(topic, [short | {"meter": 2}], partition=0)
    assert drain(params).rows == {"meters": 1}


@pytest.mark.slow
def test_messages_of_times_without_a_zone_are_all_told(broker, topic, own_workspace):
    rows = [as_json(reading(n)) | {"updated_at": "2013-05-01T00:00:00"} for n in range(3)]
    broker.send(topic, rows, partition=0)
    assert drain(declare(broker, topic)).rows == {"meters": 0}
    take_in_all(TABLES)
    assert read_quarantine(read_current_ledger())["reason"].str.contains("is a time without a zone").all()
    params = declare(broker, topic)
    params = params.model_copy(update={"ingest": params.ingest.change({"time_zone": "UTC"})})
    broker.send(topic, rows, partition=0)
    assert drain(params).rows == {"meters": 3}


@pytest.mark.slow
def test_what_the_broker_has_dropped_is_counted_and_skipped_only_by_request(broker, topic, own_workspace):
    params, padding = declare(broker, topic), "x" * 3_000
    send(broker, topic, range(10), partition=0)
    drain(params)
    send(broker, topic, range(10, 4_000), partition=0, note=padding)  # 12 MB: the broker keeps 5
    (told,) = drain(params).troubles
    assert "the broker has dropped" in told and f"of partition 0 of topic {topic}, offsets 10 to" in told
    assert "`ml consume meters --skip-lost` goes on" in told
    lost = int(told.partition("has dropped ")[2].split()[0].replace(",", ""))
    assert drain(params, skip_lost=True).rows == {"meters": 3_990 - lost}
    assert len(values(own_workspace)) == 4_000 - lost


@pytest.mark.slow
def test_two_consumers_of_a_group_share_the_partitions_and_nothing_is_lost_or_doubled(broker, topic, own_workspace):
    params, sent = declare(broker, topic), 0
    first, second = (Consuming(choose_streams(params, TABLES, None), params, TABLES, False, False) for _ in range(2))
    give_up = time.monotonic() + WAIT
    while not (first.rows["meters"] and second.rows["meters"]):
        send(broker, topic, range(sent, sent + 50))
        sent += 50
        first.wait(timedelta(seconds=1))
        second.print_lines(0.0)
        assert time.monotonic() < give_up
    second.stop()  # its partitions come back to the first
    send(broker, topic, range(sent, sent + 50))
    first.stop()
    drain(params)
    assert values(own_workspace) == {(1, n): n for n in range(sent + 50)}
    offsets = [offset for name in landed(own_workspace) for offset in offsets_of(name)]
    assert len(offsets) == len(set(offsets)) == sent + 50


def landed(workspace) -> list[str]:
    return sorted(path.name for path in (workspace / "landing" / "readings").glob("*.parquet"))


def offsets_of(name: str) -> list[tuple[str, int]]:
    _, partition, _, first, last, _ = name.split("-")
    return [(partition, offset) for offset in range(int(first), int(last) + 1)]


@pytest.mark.slow
def test_where_files_cannot_be_written_nothing_more_is_read_and_nothing_is_lost(broker, topic, own_workspace):
    params, folder = declare(broker, topic, max_rows=10), own_workspace / "landing" / "readings"
    send(broker, topic, range(10))
    streams = Consuming(choose_streams(params, TABLES, None), params, TABLES, False, False)
    wait_for(lambda: streams.rows["meters"] == 10, streams)
    folder.rename(own_workspace / "aside")
    folder.write_text("a file in place of the folder")
    send(broker, topic, range(10, 100))
    wait_for(
        lambda: any("nothing more is read until it can be" in trouble for trouble in troubles_of(streams)), streams
    )
    folder.unlink()
    (own_workspace / "aside").rename(folder)
    wait_for(lambda: streams.rows["meters"] == 100, streams)
    streams.stop()
    assert len(values(own_workspace)) == 100


def troubles_of(streams) -> list[str]:
    return [consumer.trouble for consumer in streams._consumers.values()]


def wait_for(holds, streams) -> None:
    give_up = time.monotonic() + WAIT
    while not holds():
        streams.wait(timedelta(seconds=0.2))
        assert time.monotonic() < give_up, (streams.rows, streams.troubles, troubles_of(streams))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"servers": "127.0.0.1:1", "options": {"socket.connection.setup.timeout.ms": "1000"}},
            "look at servers and options",
        ),
        ({"topic": "no.such.topic"}, "there is no topic no.such.topic"),
        ({"options": {"no.such.option": "1"}}, "look at its options"),
        ({"options": {"group.id": "mine"}}, "group.id is not among options: servers, group and begin say it"),
        ({"options_from": {"sasl.password": "NOT_SET"}}, "the variable NOT_SET is not set"),
        ({"optional": ["meter"]}, "meter is no nullable column of readings"),
    ],
)
def test_what_hinders_a_stream_is_one_sentence(changes, sentence, broker, topic, own_workspace):
    params = declare(broker, topic, **changes)
    try:
        (told,) = drain(params).troubles
    except InputError as error:
        told = str(error)
    assert sentence in told and "\n" not in told


@pytest.mark.slow
def test_a_sample_and_what_is_behind(broker, topic, own_workspace):
    from tasks.data.sources.source import Memory

    params = declare(broker, topic)
    stream = open_source("meters", params, TABLES)
    memory = Memory(TABLES["readings"], None)
    broker.send(topic, [b"no JSON"], partition=1)
    with pytest.raises(InputError, match="holds no messages that are JSON objects"):
        stream.sample(10, memory)
    send(broker, topic, range(30), partition=0, extra=1)
    raw = stream.sample(10, memory)
    assert raw.rows.height == 10 and "extra" in raw.rows.columns
    assert stream.count_behind({0: 10}) == 21 and stream.count_behind({}) == 31


@pytest.mark.slow
def test_a_stream_with_another_topic_begins_anew(broker, topic, own_workspace):
    send(broker, topic, range(20))
    drain(declare(broker, topic))
    send(broker, f"{topic}.new", range(20, 25))
    assert drain(declare(broker, f"{topic}.new")).rows == {"meters": 5} and len(values(own_workspace)) == 25


@pytest.mark.slow
def test_one_stream_that_cannot_go_on_stops_no_other(broker, topic, own_workspace):
    params = declare(broker, topic)
    params.sources["lost"] = params.sources["meters"] | {"topic": f"{topic}.none"}
    send(broker, topic, range(20))
    streams = drain(params)
    assert streams.rows == {"meters": 20, "lost": 0} and "there is no topic" in streams.troubles[0]


def test_a_whole_batch_of_unfit_messages_is_told_at_once(own_workspace):
    from tasks.data.sources.messages import Message, part_messages

    value = json.dumps(as_json(reading(1)) | {"at": "2013-05-01T00:00:00"}).encode()
    parted = part_messages([Message(n, value, 0) for n in range(20_000)], TABLES["readings"], None)
    assert len(parted.poison) == 20_000 and "is a time without a zone" in parted.poison[0].reason


def test_a_consumer_that_is_stopped_before_it_has_a_partition_ends_well(broker, topic, own_workspace):
    params = declare(broker, topic)
    send(broker, topic, range(3))
    streams = Consuming(choose_streams(params, TABLES, None), params, TABLES, False, False)
    streams.stop()
    assert streams.troubles == []


def test_every_message_is_a_row_or_in_quarantine_whatever_is_in_it(own_workspace):
    """No broker: what parts messages is asked alone, with all that JSON can be."""
    from tasks.data.sources.messages import Message, part_messages

    odd = [
        b"",
        b"null",
        b"true",
        b"{}",
        b'"x"',
        b"\xff\xfe",
        b'{"meter": NaN}',
        b"[" * 5_000,
        b'{"a":' * 300 + b"1" + b"}" * 300,
    ]
    row = as_json(reading(1))
    odd += [json.dumps(row | {"value": value}).encode() for value in (1e400, 10**30, [], {}, True, "", " 7 ", -0.0)]
    odd += [json.dumps(row, indent=2).encode(), json.dumps(row | {"note": "a\nb\u2028c\x00"}).encode()]
    messages = [Message(number, value, 0) for number, value in enumerate(odd)]
    parted = part_messages(messages, TABLES["readings"], None)
    assert parted.rows.height == 1  # the last state of one reading
    assert len({found.message.offset for found in parted.poison}) == len(parted.poison) >= 14


@pytest.mark.slow
def test_a_consumer_that_was_stopped_for_long_lets_no_older_state_win(broker, topic, own_workspace):
    """It holds messages when another goes on with its partitions; when it wakes up, they are old."""
    params = declare(broker, topic, land="3s")
    child = processes.Process(target=consume_here, args=(own_workspace, params.sources))
    child.start()
    give_up = time.monotonic() + WAIT
    send(broker, topic, [1], partition=0)
    while not landed(own_workspace):
        time.sleep(0.1)
        assert time.monotonic() < give_up
    broker.send(topic, [as_json(reading(2, value)) for value in range(20)], partition=0)
    time.sleep(1)  # it may have read them by now, or not: both must end well
    os.kill(child.pid, signal.SIGSTOP)
    broker.send(topic, [as_json(reading(2, 999))], partition=0)
    drain(params)
    os.kill(child.pid, signal.SIGCONT)
    broker.send(topic, [as_json(reading(3))], partition=1)
    while not any(name.startswith("meters-p1") for name in landed(own_workspace)):
        time.sleep(0.1)
        assert time.monotonic() < give_up
    child.kill()
    child.join()
    assert values(own_workspace) == {(1, 1): 1, (1, 2): 999, (1, 3): 3}


def consume_here(folder, sources) -> None:
    """Consume in a process of its own, until it is killed."""
    use_workspace(folder)
    with consuming(Params.load().model_copy(update={"sources": sources}), TABLES, None, False, False) as streams:
        while streams.wait(timedelta(seconds=1)):
            pass
