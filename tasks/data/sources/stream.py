"""A topic of a broker that speaks Kafka's protocol; `ml consume` reads it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from tasks.core.errors import InputError
from tasks.core.secrets import read_secrets
from tasks.core.sections import Span, setting
from tasks.data.formats import Raw, read_json
from tasks.data.sources.messages import find_fault
from tasks.data.sources.source import Memory, Source

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

WAIT = 10.0  # seconds for an answer of the broker
FIXED = {"bootstrap.servers", "group.id", "group.protocol", "partition.assignment.strategy"}
FIXED |= {"enable.auto.commit", "auto.offset.reset", "enable.partition.eof", "error_cb"}


class Stream(Source):
    """Messages that are JSON objects, one for each row, with all columns of the contract."""

    kind: Literal["stream"]
    servers: str = setting(..., "of the broker, such as kafka1:9092,kafka2:9092", min_length=1)
    topic: str = setting(..., "whose messages are rows", pattern=r"^[A-Za-z0-9._-]{1,249}$")
    optional: list[str] = setting([], "columns that messages may leave out, which are null then")
    group: str | None = setting(None, "of consumers that share the partitions; null: all of one landing place")
    begin: Literal["earliest", "latest"] = setting("earliest", "where a partition is read from the first time")
    land: Span = setting("60s", "how often rows are landed")
    max_rows: int = setting(100_000, "rows that are held at most; so many are landed at once", ge=1)
    options: dict[str, str] = setting({}, "of librdkafka, such as {security.protocol: SASL_SSL}")
    options_from: dict[str, str] = setting(
        {}, "the same, each by the variable that holds it: {sasl.password: KAFKA_PASSWORD}"
    )

    def sample(self, count: int, memory: Memory) -> Raw:
        from confluent_kafka import KafkaException, TopicPartition

        consumer = self.open()
        try:
            ends = [(p, *consumer.get_watermark_offsets(p, timeout=WAIT)) for p in self.partitions(consumer)]
            consumer.assign([TopicPartition(self.topic, p.partition, max(low, high - count)) for p, low, high in ends])
            wanted = min(count, sum(high - low for _, low, high in ends))
            values: list[bytes] = []
            while len(values) < wanted and (found := consumer.consume(wanted, timeout=WAIT)):
                values += [message.value() or b"" for message in found if not message.error()]
        except KafkaException as error:
            raise InputError(self.tell(error.args[0])) from None
        finally:
            consumer.close()
        good = [value.replace(b"\n", b" ") for value in values if find_fault(value, frozenset())[1] is None]
        if not good:
            raise InputError(f"source {self.name}: topic {self.topic} holds no messages that are JSON objects")
        columns = list(dict.fromkeys(name for value in good for name in find_fault(value, frozenset())[0]))
        return Raw(read_json(b"\n".join(good), columns).head(count), frozenset(columns))

    def count_behind(self, positions: dict[int, int]) -> int:
        """How many messages have not landed.

        Args:
            positions: The next offset of each partition.

        Raises:
            InputError: The broker does not answer.
        """
        from confluent_kafka import KafkaException

        consumer = self.open()
        try:
            ends = [(p.partition, *consumer.get_watermark_offsets(p, timeout=WAIT)) for p in self.partitions(consumer)]
            return sum(max(0, high - max(low, positions.get(number, low))) for number, low, high in ends)
        except KafkaException as error:
            raise InputError(self.tell(error.args[0])) from None
        finally:
            consumer.close()

    def open(self, group: str = "", on_error: Callable[[Any], None] = lambda error: None) -> "Consumer":
        """A consumer that reads nothing yet.

        Args:
            group: That it will be a member of, where no group is set.
            on_error: What is told of the broker.

        Raises:
            InputError: An option is none.
        """
        from confluent_kafka import Consumer, KafkaException

        if fixed := FIXED & {*self.options, *self.options_from}:
            raise InputError(f"source {self.name}: {min(fixed)} is not among options: servers, group and begin say it")
        options = self.options | read_secrets(self.options_from, self.name)
        ours = {
            "bootstrap.servers": self.servers,
            "group.id": self.group or group or f"ml-{self.name}",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # what the broker dropped is told, not skipped
            "enable.partition.eof": True,
            "error_cb": on_error,
        }
        quiet = {"log_level": 2, "queued.max.messages.kbytes": 32_768}
        try:
            return Consumer(quiet | options | ours)
        except (KafkaException, ValueError, TypeError) as error:
            told = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise InputError(f"source {self.name}: {told}; look at its options") from None

    def partitions(self, consumer: "Consumer") -> "list[TopicPartition]":
        """The partitions of the topic.

        Raises:
            InputError: There is no such topic.
            KafkaException: The broker does not answer.
        """
        from confluent_kafka import TopicPartition

        found = consumer.list_topics(self.topic, timeout=WAIT).topics[self.topic]
        if found.error is not None or not found.partitions:
            raise InputError(f"source {self.name}: there is no topic {self.topic} at {self.servers}; look at topic")
        return [TopicPartition(self.topic, number) for number in found.partitions]

    def tell(self, error: Any) -> str:
        """One sentence about a broker that does not do what it was asked."""
        return f"source {self.name}: the broker at {self.servers} says: {error.str()}; look at servers and options"
