"""What is counted, for Prometheus."""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
TENTHS = tuple(n / 10 for n in range(11))


class Metrics:
    """The counts of this process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        one, table = ["model"], ["table"]
        ours: dict[str, Any] = {"namespace": "serving", "registry": self.registry}
        self.latency = Histogram("predict_seconds", "From request to answer", one, buckets=SECONDS, **ours)
        self.rows = Counter("predicted_rows", "Rows that were answered", one, **ours)
        self.refusals = Counter("refusals", "Requests that were refused", ["path", "rule"], **ours)
        self.scores = Histogram("score", "Scores that were answered", one, buckets=TENTHS, **ours)
        self.ages = Gauge("context_age_seconds", "From a table's newest row to the prediction", [*one, *table], **ours)
        self.switches = Counter("switches", "Versions that began to answer", one, **ours)
        self.trouble = Gauge("trouble", "1 while what was handed over cannot be used", one, **ours)
        self.received = Counter("received_rows", "Rows of tables that were taken in", table, **ours)

    def answered(self, model: str, scores: Sequence[float], ages: Mapping[str, float | None]) -> None:
        """Count the rows of a batch; the ages are those of its last answer."""
        self.rows.labels(model).inc(len(scores))
        histogram = self.scores.labels(model)
        for score in scores:
            histogram.observe(score)
        for table, age in ages.items():
            if age is not None:
                self.ages.labels(model, table).set(age)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
