"""A consumer of a stream: messages become rows, rows become landed files, and only then offsets are committed."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

from tasks.core.errors import InputError, counted
from tasks.data.formats import Raw
from tasks.data.sources.bookmarks import mark_streamed, next_offsets
from tasks.data.sources.landed import Landed
from tasks.data.sources.messages import Message, part_messages, quarantine_messages
from tasks.data.sources.source import Memory
from tasks.data.sources.stream import WAIT, Stream

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

AT_ONCE, PAUSE = 5_000, 0.5  # messages that are asked for, and seconds that they are waited for
BLOCKED = 5.0  # seconds until files that could not be written are tried again


class LostError(InputError):
    """The broker has dropped messages that nobody read."""


class StreamConsumer:
    """One member of the group.

    Args:
        stream: What is read.
        memory: What is known of its rows, and what is told of progress.
        group: The name of the group, where the stream does not say it.
        find_landed: The files that were landed by now, by whichever member.
        skip_lost: Go on after messages that the broker has dropped.
        once: End when all that is there has landed.
    """

    def __init__(
        self,
        stream: Stream,
        memory: Memory,
        group: str,
        find_landed: Callable[[], Landed],
        skip_lost: bool,
        once: bool,
    ) -> None:
        self.stream, self.memory, self.find_landed = stream, memory, find_landed
        self.skip_lost, self.once = skip_lost, once
        self.rows, self.trouble = 0, ""  # that were landed; what hinders it just now
        self._held: dict[int, list[Message]] = {}  # messages of each partition that have not landed
        self._next: dict[int, int] = {}  # the offset from which the next file of each partition counts
        self._ended: set[int] = set()  # partitions of which nothing more is there
        self._landed: Landed | None = None  # since partitions were assigned
        self._since, self._blocked_until, self._dropped = 0.0, 0.0, False
        self._consumer = stream.open(group, lambda error: self._note(stream.tell(error)))

    def run(self, stop: Event) -> None:
        """Consume until it is told to stop, which lands what is held.

        Raises:
            InputError: The broker refuses, or has dropped messages.
        """
        from confluent_kafka import KafkaException

        consumer = self._consumer
        try:
            self.stream.partitions(consumer)
            consumer.subscribe([self.stream.topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose)
            while not stop.is_set() and not self._is_done():
                for message in consumer.consume(self._room(), PAUSE):
                    self._take(message)
                if self._dropped:
                    self._go_on_after_dropped()
                if self._is_due():
                    self._land_or_wait()
            self._land(list(self._held))
        except KafkaException as error:
            raise InputError(self.stream.tell(error.args[0])) from None
        finally:
            self._held = {}
            consumer.close()

    def _room(self) -> int:
        """How many messages are asked for: so many that no more than max_rows are held."""
        return max(1, min(AT_ONCE, self.stream.max_rows - self._count_held()))

    def _count_held(self) -> int:
        return sum(map(len, self._held.values()))

    def _take(self, message: Any) -> None:
        from confluent_kafka import KafkaError

        partition, error = message.partition(), message.error()
        if error is None:
            if partition in self._next:
                self._since, self.trouble = self._since or time.monotonic(), ""
                self._held.setdefault(partition, []).append(to_message(message))
                self._ended.discard(partition)
        elif error.code() == KafkaError._PARTITION_EOF:
            self._ended.add(partition)
            self.trouble = ""
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._dropped = True
        elif error.fatal():
            raise InputError(self.stream.tell(error))
        else:
            self._note(self.stream.tell(error))

    def _note(self, trouble: str) -> None:
        """Tell what hinders it, once."""
        if trouble != self.trouble:
            self.trouble = trouble
            self.memory.tell(trouble)

    def _is_done(self) -> bool:
        return self.once and self._landed is not None and self._ended >= self._next.keys()

    def _is_due(self) -> bool:
        """Whether what is held is to be landed."""
        if not self._since or time.monotonic() < self._blocked_until:
            return False
        return (
            self._count_held() >= self.stream.max_rows
            or time.monotonic() - self._since >= self.stream.land.total_seconds()
        )

    def _land_or_wait(self) -> None:
        """Land what is held; where it cannot be written keep it, and read no more until it can."""
        try:
            self._land(list(self._held))
        except InputError as error:
            self._note(f"source {self.stream.name}: {error}; nothing more is read until it can be")
            self._blocked_until = time.monotonic() + BLOCKED
            self._consumer.pause(self._consumer.assignment())
            return
        if self._blocked_until:
            self._blocked_until, self.trouble = 0.0, ""
            self._consumer.resume(self._consumer.assignment())
        self._since = 0.0

    def _land(self, partitions: Iterable[int]) -> None:
        """Land the messages of partitions, and commit their offsets."""
        from confluent_kafka import KafkaException, TopicPartition

        done = []
        for partition in self._require_mine(partitions):
            messages = self._held[partition]
            self._land_messages(partition, messages)
            self._next[partition] = messages[-1].offset + 1
            done.append(TopicPartition(self.stream.topic, partition, self._next[partition]))
            self._held.pop(partition)
        if done:
            with suppress(KafkaException):  # the files say where to go on; offsets are for those who look at the group
                self._consumer.commit(offsets=done, asynchronous=False)

    def _require_mine(self, partitions: Iterable[int]) -> list[int]:
        """The partitions that are still this member's; one that was stopped for long may not know that it lost them."""
        mine = [partition for partition in partitions if partition in self._next]
        if not mine:  # as when it is stopped before it was assigned any
            return []
        assert self._landed is not None
        known = next_offsets(self._landed.look_again(), self.stream.topic)
        lost = [partition for partition in mine if known.get(partition, 0) > self._next[partition]]
        if lost:
            self.memory.tell(f"source {self.stream.name}: another consumer went on with partitions {lost}")
            self._forget(lost)
        return [partition for partition in mine if partition not in lost]

    def _land_messages(self, partition: int, messages: list[Message]) -> None:
        assert self._landed is not None
        rows, poison = part_messages(messages, self.memory.table, self.memory.time_zone, self.stream.optional)
        quarantine_messages(self.stream.table, self.stream.topic, partition, poison)
        newest = datetime.fromtimestamp(max(message.sent for message in messages) / 1000, UTC)
        span = self._next[partition], messages[-1].offset
        name = self._landed.add(Raw(rows, frozenset()), mark_streamed(self.stream.topic, partition, *span, newest))
        self.rows += rows.height
        aside = f", {len(poison):,} in quarantine" if poison else ""
        self.memory.tell(f"{name}: {counted(len(messages), 'message')}, {counted(rows.height, 'row')}{aside}")

    def _assign(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Go on after what was landed, by whichever member of the group."""
        self._landed, self._next, self._held, self._ended = self.find_landed(), {}, {}, set()
        known = next_offsets(self._landed.bookmarks, self.stream.topic)
        consumer.assign([self._place(found.partition, known.get(found.partition)) for found in partitions])

    def _revoke(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Land what is held before another member goes on."""
        mine = [found.partition for found in partitions]
        try:
            self._land([partition for partition in mine if partition in self._held])
        except InputError as error:
            self._note(f"source {self.stream.name}: {error}; another consumer reads those messages again")
        self._forget(mine)

    def _lose(self, consumer: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Another member has gone on already."""
        self._forget([found.partition for found in partitions])

    def _forget(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._held.pop(partition, None)
            self._next.pop(partition, None)

    def _go_on_after_dropped(self) -> None:
        """Go on where something still is, after the broker dropped what comes next."""
        self._land(list(self._held))
        self._consumer.assign([self._place(partition, offset) for partition, offset in self._next.items()])
        self._dropped = False

    def _place(self, partition: int, known: int | None) -> "TopicPartition":
        """A partition with the offset to read from.

        Raises:
            LostError: The broker has dropped messages from there on.
        """
        from confluent_kafka import TopicPartition

        where = f"partition {partition} of topic {self.stream.topic}"
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self.stream.topic, partition), timeout=WAIT)
        wanted = known if known is not None else low if self.stream.begin == "earliest" else high
        if wanted > high:
            raise InputError(
                f"source {self.stream.name}: {where} ends at offset {high}, but {wanted} messages of it were landed: "
                "it was made anew; under another name the source begins anew, too"
            )
        if wanted < low:
            dropped = f"{low - wanted:,} messages of {where}, offsets {wanted} to {low - 1}, before they were read"
            told = f"source {self.stream.name}: the broker has dropped {dropped}"
            if not self.skip_lost:
                raise LostError(f"{told}; send them again, and `ml consume {self.stream.name} --skip-lost` goes on")
            self.memory.tell(told)
        self._next[partition] = max(low, wanted)
        return TopicPartition(self.stream.topic, partition, self._next[partition])


def to_message(message: Any) -> Message:
    """What is kept of a message of the client; one without a time counts as sent now."""
    sent = message.timestamp()[1]
    return Message(message.offset(), message.value() or b"", sent if sent > 0 else time.time_ns() // 1_000_000)
