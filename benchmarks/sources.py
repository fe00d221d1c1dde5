"""What reading sources costs: rows a CPU second, beside the plain client of each.

    .venv/bin/python -m benchmarks.sources

Flights through a broker (Tansu), a million rows of PostgreSQL, beside the same without us: messages that are only
polled, rows that are only fetched into polars.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl

from stack.local_stack import make_workspace

MESSAGES, ROWS = 200_000, 1_000_000


def main() -> None:
    """Measure in a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKSPACE"] = str(make_workspace(Path(folder) / "workspace"))
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
        measure_stream(Path(folder))
        measure_database(Path(tempfile.mkdtemp(prefix="postgres-")))


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure_stream(folder: Path) -> None:
    """From messages to landed rows of the contract's types, and only polled."""
    from brokers import as_messages, running_tansu

    from tasks.core.params import Params
    from tasks.core.use_case import load_tables
    from tasks.data.publish import adopt_version
    from tasks.data.sources.consuming import consuming

    params = Params.load()
    snapshot = adopt_version.fn(params.data)
    flights = pl.read_parquet(snapshot.files["flights/2013-03.parquet"])
    number = (pl.int_range(pl.len()) % 30_000 + 1).cast(pl.Int16)
    flights = pl.concat([flights] * (MESSAGES // flights.height + 1)).with_columns(flight=number).head(MESSAGES)
    with running_tansu(folder) as broker:
        broker.send("flights", as_messages(flights))
        sources = {"departures": {"kind": "stream", "table": "flights", "servers": broker.servers, "topic": "flights"}}
        chosen, tables = params.model_copy(update={"sources": sources}), load_tables()

        def consume() -> None:
            with consuming(chosen, tables, None, False, True) as streams:
                while streams.wait(timedelta(seconds=1)):
                    pass
            print(streams.rows, streams.troubles)

        ours, polled = cpu_of(consume), cpu_of(lambda: poll(broker.servers))
    print(f"stream: {MESSAGES / ours:,.0f} messages a CPU second; only polled {MESSAGES / polled:,.0f}")


def poll(servers: str) -> None:
    """The plain client."""
    from confluent_kafka import Consumer, TopicPartition

    consumer, found = Consumer({"bootstrap.servers": servers, "group.id": "plain"}), 0
    consumer.assign(
        [
            TopicPartition("flights", partition, 0)
            for partition in consumer.list_topics("flights").topics["flights"].partitions
        ]
    )
    while found < MESSAGES:
        found += sum(message.error() is None for message in consumer.consume(5_000, 1.0))
    consumer.close()


def measure_database(folder: Path) -> None:
    """From a table to a landed file, and only fetched."""
    from adbc_driver_postgresql import dbapi
    from databases import running_postgres
    from meters import TABLES, Readings

    from tasks.data.landing import LandingPlace
    from tasks.data.ledger import SCHEMA
    from tasks.data.sources.landed import Landed
    from tasks.data.sources.source import Memory
    from tasks.data.sources.sql import Sql

    number = pl.int_range(ROWS)
    at = pl.datetime(2013, 5, 1, time_zone="UTC") + pl.duration(seconds=number)
    rows = pl.select(
        meter=(number % 100).cast(pl.Int32),
        at=at,
        value=number.cast(pl.Int32),
        note="n" + number.cast(str),
        updated_at=at,
    )
    with running_postgres(folder) as postgres:
        database = postgres.new_database()
        database.fill("readings", rows, mode="create")
        os.environ["DATABASE_URL"] = database.uri
        declared = {"name": "meters", "table": "readings", "kind": "sql", "cursor": "updated_at", "start": "2013-05-01"}
        source, place = Sql.model_validate(declared), LandingPlace("landing")

        def read() -> None:
            landed = Landed(place, "readings", "meters", pl.DataFrame(schema=SCHEMA))
            for batch in source.read(Memory(TABLES["readings"], None, landed.bookmarks, landed.recall)):
                landed.add(*batch)

        def fetch() -> None:
            with dbapi.connect(database.uri) as connection, connection.cursor() as cursor:
                cursor.execute("select * from readings")
                pl.from_arrow(cursor.fetch_arrow_table())

        assert Readings.columns().keys() == set(rows.columns)
        ours, plain, again = cpu_of(read), cpu_of(fetch), cpu_of(read)
    print(f"sql: {ROWS:,} rows in {ours:.2f} CPU s, only fetched {plain:.2f}; read again with nothing new {again:.2f}")


if __name__ == "__main__":
    main()
