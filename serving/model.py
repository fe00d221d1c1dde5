"""A served model: its queue of requests, answered in batches of what has queued up meanwhile."""

import asyncio
import secrets
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple

import polars as pl
from pydantic_core import to_json

from serving.held import Held, score_features
from serving.journal import Journal
from serving.metrics import Metrics
from serving.refusal import RefusedError, refuse
from serving.rows import Row, RowSchema, refuse_uncomputable
from tasks.core.errors import InputError
from tasks.core.params import Serve
from tasks.core.use_case import UseCase
from tasks.features.index import Values
from tasks.features.table import POLARS_ERRORS

AT_ONCE = 256  # rows of one batch, unless a single request has more
NO_CHAMPION = "it has no champion yet: train a model, or run `ml tidy`"
FAULTS = (Exception, *POLARS_ERRORS)
UNCOMPUTABLE = (InputError, *POLARS_ERRORS, ValueError, ArithmeticError)
RETRY = "1"  # seconds after which who was turned away may come again


class Question(NamedTuple):
    """A request that waits for its turn."""

    rows: list[Row]
    answer: "asyncio.Future[Answer]"


class Answer(NamedTuple):
    """What was found for the rows of a request."""

    held: Held
    request_id: str
    scores: list[float]
    before: list[float | None] | None
    ages: dict[str, float | None]  # seconds from the newest row of each table to the last prediction time


class ServedModel:
    """One model.

    Args:
        use_case: Contract, target and features.
        limits: Its settings.
        journal: Where answers are logged.
        metrics: What is counted.
    """

    def __init__(self, use_case: UseCase, limits: Serve, journal: Journal, metrics: Metrics) -> None:
        self.use_case, self.limits, self.journal, self.metrics = use_case, limits, journal, metrics
        self.schema = RowSchema(use_case.rows, use_case.predicted, use_case.predicted.outcomes)
        asked, event = use_case.prediction_time, use_case.event_time.dt.epoch("us")  # any year, other than Python's
        times = asked.alias("asked"), event.alias("event")
        self._checks = [*times, *(rule.alias(f"rule {name}") for name, rule in self.schema.rules.items())]
        self.held: Held | None = None
        self.trouble: str | None = NO_CHAMPION
        self._queue: asyncio.Queue[Question] = asyncio.Queue()
        self._waiting = 0  # rows

    @property
    def name(self) -> str:
        return self.use_case.model

    async def ask(self, rows: list[Row]) -> Answer:
        """The answer to a request, which is on the log.

        Raises:
            RefusedError: The rows cannot be answered, or not now.
        """
        if self.held is None:
            raise not_ready(self.name)
        if self._waiting + len(rows) > max(self.limits.max_queue, len(rows)):
            raise refuse(503, "queue", "too many rows wait for their turn (serve.max_queue): come again")
        self._waiting += len(rows)
        question = Question(rows, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(question)
        return await question.answer

    async def work(self) -> None:
        """Answer what is asked, for good."""
        while True:
            batch = await self._next()
            try:
                self._settle(await self._answer(batch))
            except FAULTS as error:  # of ours: told to who asked, and the next ones are answered
                self._settle([(question, error) for question in batch])
            finally:
                self._waiting -= sum(len(question.rows) for question in batch)
                for question in batch:  # of none but a cancelled worker
                    question.answer.cancel()

    async def _next(self) -> list[Question]:
        """All that has queued up, one batch at most: no timer, it waits as long as more requests are coming in."""
        batch, before = [await self._queue.get()], -1
        while (size := self._queue.qsize()) > before:
            before = size
            await asyncio.sleep(0)
        rows = len(batch[0].rows)
        while not self._queue.empty() and rows < AT_ONCE:
            batch.append(self._queue.get_nowait())
            rows += len(batch[-1].rows)
        return batch

    async def _answer(self, batch: list[Question]) -> list[tuple[Question, Answer | BaseException]]:
        """An answer or a refusal for each, the answers on the log."""
        assert self.held is not None
        held, results = self.held, []
        try:
            results = self._score(held, batch)
        except FAULTS:  # whatever one row may bring about keeps nobody else from an answer
            for question in batch:
                try:
                    results += self._score(held, [question])
                except FAULTS as error:
                    results.append((question, self._tell(error)))
        answered = [(question, answer) for question, answer in results if isinstance(answer, Answer)]
        try:
            self.journal.append(b"".join(self._line(question, answer) for question, answer in answered))
            await self.journal.sync()
            self._count([answer for _, answer in answered])
        except OSError as error:
            full = refuse(503, "log", f"the answer cannot be logged: {error.strerror}")
            return [(question, full if isinstance(answer, Answer) else answer) for question, answer in results]
        return results

    def _count(self, answers: list[Answer]) -> None:
        if answers:
            scores = [score for answer in answers for score in answer.scores]
            self.metrics.answered(self.name, scores, answers[-1].ages)

    def _tell(self, error: BaseException) -> BaseException:
        """What hinders an answer to a request alone."""
        if isinstance(error, RefusedError):
            return error
        if isinstance(error, UNCOMPUTABLE):
            return refuse(409, "features", "the features of this row cannot be made, or give no finite score")
        return error

    def _settle(self, results: list[tuple[Question, Answer | BaseException]]) -> None:
        for question, answer in results:
            if question.answer.done():  # who asked is gone
                continue
            if isinstance(answer, Answer):
                question.answer.set_result(answer)
            else:
                question.answer.set_exception(answer)

    def _score(self, held: Held, batch: list[Question]) -> list[tuple[Question, Answer | BaseException]]:
        """The answers to a batch; raises where one of its rows is to be refused."""
        frame = self.schema.to_frame([row for question in batch for row in question.rows])
        asked = self._check(held, frame)
        features = self.use_case.feature_values(frame, held.index, times=asked)
        scores, before = score_features(held, features)
        results, start, moments = [], 0, asked.to_list()
        for question in batch:
            part = slice(start, start + len(question.rows))
            ages = self._ages(held, max(moments[part]))
            results.append((question, Answer(held, secrets.token_hex(16), scores[part], before and before[part], ages)))
            start = part.stop
        return results

    def explain(self, rows: list[Row]) -> dict[str, Any]:
        """The score of a row with the features behind it, which nobody logs.

        Raises:
            RefusedError: The row cannot be answered.
        """
        if self.held is None:
            raise not_ready(self.name)
        if len(rows) > 1:
            raise refuse(422, "rows", "give one row")
        held, frame = self.held, self.schema.to_frame(rows)
        try:
            asked = self._check(held, frame)
            features = self.use_case.feature_values(frame, held.index, times=asked)
            (found,), _ = score_features(held, features)
        except FAULTS as error:
            raise self._tell(error) from None
        facts = {"version": held.version, "data_version": held.context.data_version}
        return {"score": found, **facts, "features": {name: show(values) for name, values in features.items()}}

    def _check(self, held: Held, frame: pl.DataFrame) -> pl.Series:
        """Refuse a row that breaks a rule of the contract, or lies where the context says nothing; prediction times."""
        with refuse_uncomputable():
            found = frame.select_seq(self._checks)
        until = held.context.until or datetime.now(UTC) + self.limits.horizon
        first, last = (int(moment.timestamp() * 1e6) for moment in (held.context.start, until))
        asked, *others = found.get_columns()
        values = [asked.is_null().to_list(), *(column.to_list() for column in others)]
        for number, (no_time, event, *kept) in enumerate(zip(*values, strict=True)):
            self.schema.refuse_broken(number, kept)
            if event is None or no_time or not first <= event <= last:
                span = f"from {held.context.start:%Y-%m-%dT%H:%MZ} to {until:%Y-%m-%dT%H:%MZ}"
                raise refuse(409, "horizon", f"the event must lie {span} (clock, serve.history, serve.horizon)", number)
        return asked

    def _ages(self, held: Held, moment: datetime) -> dict[str, float | None]:
        return {name: age(moment, table.newest) for name, table in held.context.tables.items()}

    def _line(self, question: Question, answer: Answer) -> bytes:
        held, names = answer.held, self.schema.columns
        line = {
            "model": self.name,
            "request_id": answer.request_id,
            "made_at": datetime.now(UTC),
            "version": held.version,
            "data_version": held.context.data_version,
            "as_of": held.context.as_of,
            "context": {name: table.newest for name, table in held.context.tables.items()},
            "rows": [dict(zip(names, row, strict=True)) for row in question.rows],
            "scores": answer.scores,
            "before": answer.before,
        }
        return to_json(line) + b"\n"


def show(values: Values) -> str | float | None:
    """The only value of a feature as the model takes it: what is not finite is missing."""
    if isinstance(values, pl.Series):
        return values[0]
    return float(values[0]) if isfinite(values[0]) else None


def not_ready(model: str) -> RefusedError:
    """There is nothing to answer with."""
    return refuse(503, "not_ready", f"{model} has no champion to answer with yet: see /ready")


def age(moment: datetime, newest: datetime | None) -> float | None:
    """Seconds from the newest row to a prediction; 0 where it is of the past, None where the table was always known."""
    return None if newest is None else max(0.0, (moment - newest).total_seconds())
