"""A served model goes on whatever a row brings about."""

import asyncio
import json
from dataclasses import replace

import dataframely as dy
import polars as pl
import pytest
from endpoints import MODEL, as_requests

from serving.held import load, read_handover
from serving.journal import Journal
from serving.metrics import Metrics
from serving.model import ServedModel
from serving.refusal import RefusedError
from tasks.core.params import Params


def test_a_row_whose_rule_panics_is_refused_and_the_next_one_is_answered(flights, use_case, tmp_path):
    class Odd(use_case.predicted.schema):
        @dy.rule()
        def comes_back_in_its_month(cls) -> pl.Expr:
            back = pl.col("time_hour") + pl.duration(days=pl.col("distance").cast(pl.Int64) // 9_000 * 100_000_000)
            return back.dt.truncate("1mo") == pl.col("time_hour").dt.truncate("1mo")

    odd = replace(use_case, tables=use_case.tables | {use_case.rows: replace(use_case.predicted, schema=Odd)})
    model = ServedModel(odd, Params.load(MODEL).serve, Journal(tmp_path / "answers", fsync=False), Metrics())
    model.held = load(odd, *read_handover(MODEL), None)
    row = as_requests(flights)[-1]
    good, bad = (
        model.schema.read(json.dumps(row | {"distance": d}).encode(), model.limits) for d in (row["distance"], 9_500)
    )

    async def ask() -> None:
        worker = asyncio.create_task(model.work())
        answers = await asyncio.gather(model.ask(good), model.ask(bad), model.ask(good), return_exceptions=True)
        assert isinstance(answers[1], RefusedError) and answers[1].status == 409
        assert answers[0].scores == answers[2].scores == (await model.ask(good)).scores
        with pytest.raises(RefusedError) as refused:
            model.explain(bad)
        assert refused.value.status == 409
        worker.cancel()

    asyncio.run(asyncio.wait_for(ask(), 60))
