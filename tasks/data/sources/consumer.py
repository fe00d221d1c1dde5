"""A consumer of a stream: messages become rows, rows become landed files, and only then offsets are committed."""

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from tasks.core.errors import InputError
from tasks.data.formats import Raw
from tasks.data.sources.landed import Landed
from tasks.data.sources.messages import Message, part_messages, quarantine_messages
from tasks.data.sources.source import STAMP, Memory
from tasks.data.sources.stream import WAIT, Stream

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

AT_ONCE, PAUSE = 5_000, 0.5  # messages that are asked for, and seconds that they are waited for
AGAIN = 5.0  # seconds until files that could not be written are tried again


class LostError(InputError):
    """The broker has dropped messages that nobody read."""


class StreamConsumer:
    """One member of the group.

    Args:
        stream: What is read.
        memory: Its table; where it goes on is read from `recall`.
        group: The name of the group, where the stream does not say it.
        recall: The files that were landed by now, by whichever member.
        skip_lost: Go on after messages that the broker has dropped.
        once: End when all that is there has landed.
    """

    def __init__(
        self,
        stream: Stream,
        memory: Memory,
        group: str,
        recall: Callable[[], Landed],
        skip_lost: bool,
        once: bool,
    ) -> None:
        self.stream, self.memory, self.recall = stream, memory, recall
        self.skip_lost, self.once = skip_lost, once
        self.held: dict[int, list[Message]] = {}  # messages of each partition that have not landed
        self.positions: dict[int, int] = {}  # the offset from which the next file of each partition counts
        self.ended: set[int] = set()  # partitions of which nothing more is there
        self.rows, self.poison = 0, 0
        self._since, self._blocked_until = 0.0, 0.0
        self._trouble: Exception | None = None
        self._landed: Landed | None = None
        self._consumer = stream.open(group, lambda error: memory.tell(stream.tell(error)))

    def run(self, stop: Event) -> None:
        """Consume until it is told to stop, which lands what is held.

        Raises:
            InputError: The broker refuses, or has dropped messages.
        """
        consumer = self._consumer
        try:
            self.stream.partitions(consumer)
            consumer.subscribe([self.stream.topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose)
            while not stop.is_set() and not self._is_done():
                for message in consumer.consume(AT_ONCE, PAUSE):
                    self._take(message)
                if self._trouble:
                    raise self._trouble
                if self._is_due():
                    self._land()
            self._land(give_up=True)
        except Exception as error:
            from confluent_kafka import KafkaException

            if isinstance(error, KafkaException):
                raise InputError(self.stream.tell(error.args[0])) from None
            raise
        finally:
            self.held = {}
            consumer.close()

    def _take(self, message: Any) -> None:
        from confluent_kafka import KafkaError

        partition, error = message.partition(), message.error()
        if error is None:
            if partition in self.positions:
                self._since = self._since or time.monotonic()
                self.held.setdefault(partition, []).append(to_message(message))
                self.ended.discard(partition)
        elif error.code() == KafkaError._PARTITION_EOF:
            self.ended.add(partition)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._land(give_up=True)
            others = [found for found in self._consumer.position(self._consumer.assignment())]
            self._consumer.assign([*(p for p in others if p.partition != partition), self._place(partition)])
        elif error.fatal():
            raise InputError(self.stream.tell(error))
        else:
            self.memory.tell(self.stream.tell(error))

    def _is_done(self) -> bool:
        return self.once and bool(self.positions) and self.ended >= self.positions.keys()

    def _is_due(self) -> bool:
        """Whether what is held is to be landed."""
        if not self._since or time.monotonic() < self._blocked_until:
            return False
        full = sum(map(len, self.held.values())) >= self.stream.max_rows
        return full or time.monotonic() - self._since >= self.stream.land.total_seconds()

    def _land(self, give_up: bool = False) -> None:
        """Land what is held, or keep it and read no more until it can be written."""
        try:
            self._land_partitions(list(self.held))
        except InputError as error:
            if give_up:
                raise
            self.memory.tell(f"source {self.stream.name}: {error}; nothing more is read until it can be")
            self._blocked_until = time.monotonic() + AGAIN
            self._consumer.pause(self._consumer.assignment())
            return
        if self._blocked_until:
            self._blocked_until = 0.0
            self._consumer.resume(self._consumer.assignment())
        self._since = 0.0

    def _land_partitions(self, partitions: Iterable[int]) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        done = []
        for partition in partitions:
            messages = self.held[partition]
            self._land_messages(partition, messages)
            self.positions[partition] = messages[-1].offset + 1
            done.append(TopicPartition(self.stream.topic, partition, self.positions[partition]))
            self.held.pop(partition)
        if done:
            with suppress(KafkaException):  # the files say where to go on; offsets are for those who look at the group
                self._consumer.commit(offsets=done, asynchronous=False)

    def _land_messages(self, partition: int, messages: list[Message]) -> None:
        rows, poison = part_messages(messages, self.memory.table, self.memory.time_zone, self.stream.optional)
        quarantine_messages(self.stream.table, self.stream.topic, partition, poison)
        newest = datetime.fromtimestamp(max(message.sent for message in messages) / 1000, UTC)
        mark = f"p{partition}-{self.positions[partition]}-{messages[-1].offset}-{newest:{STAMP}}"
        assert self._landed is not None
        name = self._landed.add(Raw(rows, frozenset()), mark)
        self.rows, self.poison = self.rows + rows.height, self.poison + len(poison)
        aside = f", {len(poison):,} in quarantine" if poison else ""
        self.memory.tell(f"{name}: {len(messages):,} messages, {rows.height:,} rows{aside}")

    def _assign(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Go on after what was landed, by whichever member of the group."""
        try:
            self.positions, self.held, self.ended = {}, {}, set()
            self._landed = self.recall()
            marks = self._landed.marks
            consumer.assign([self._place(found.partition, next_offset(marks, found.partition)) for found in partitions])
        except Exception as error:  # raised by run: what a callback raises is lost
            self._trouble = error

    def _revoke(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Land what is held before another member goes on."""
        mine = [found.partition for found in partitions]
        try:
            self._land_partitions([partition for partition in mine if partition in self.held])
        except InputError as error:
            self.memory.tell(f"source {self.stream.name}: {error}; another consumer reads those messages again")
        self._forget(mine)

    def _lose(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Another member has gone on already."""
        self._forget([found.partition for found in partitions])

    def _forget(self, partitions: list[int]) -> None:
        for partition in partitions:
            self.held.pop(partition, None)
            self.positions.pop(partition, None)

    def _place(self, partition: int, known: int | None = None) -> "TopicPartition":
        """A partition with the offset to read from.

        Raises:
            LostError: The broker has dropped messages from there on.
        """
        from confluent_kafka import TopicPartition

        low, high = self._consumer.get_watermark_offsets(TopicPartition(self.stream.topic, partition), timeout=WAIT)
        known = self.positions.get(partition) if known is None else known
        wanted = known if known is not None else low if self.stream.begin == "earliest" else high
        if wanted > high:
            raise InputError(
                f"source {self.stream.name}: partition {partition} of topic {self.stream.topic} ends at offset {high}, "
                f"but {wanted} were landed: it was made anew; under another name the source begins anew, too"
            )
        if wanted < low:
            told = (
                f"source {self.stream.name}: the broker has dropped {low - wanted:,} messages of partition {partition} "
                f"of topic {self.stream.topic}, offsets {wanted} to {low - 1}, before they were read"
            )
            if not self.skip_lost:
                raise LostError(f"{told}; send them again, and `ml consume {self.stream.name} --skip-lost` goes on")
            self.memory.tell(told)
        self.positions[partition] = max(low, wanted)
        return TopicPartition(self.stream.topic, partition, max(low, wanted))


def next_offset(marks: list[str], partition: int) -> int | None:
    """The offset after those that were landed of a partition; None if none was."""
    found = [re.match(rf"p{partition}-\d+-(\d+)-", mark) for mark in marks]
    return max((int(match[1]) + 1 for match in found if match), default=None)


def to_message(message: Any) -> Message:
    """What is kept of a message of the client; one without a time counts as sent now."""
    sent = message.timestamp()[1]
    return Message(message.offset(), message.value() or b"", sent if sent > 0 else time.time_ns() // 1_000_000)
