"""The addresses that answer with a model, and those that take rows of a table."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from serving.keys import ROWS_VARIABLE, Keys, require_key
from serving.model import Answer, ServedModel
from serving.patience import SECONDS
from serving.receive import Receiver
from serving.refusal import Faults, refuse
from serving.rows import RowSchema, is_list
from tasks.core.params import Serve

Endpoint = Callable[[Request], Awaitable[Response]]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Faults} for status in (400, 401, 408, 409, 413, 415, 422, 503)
}


class DirectRoute(APIRoute):
    """Calls a function that takes the request and returns the response, without what FastAPI does for any other."""

    def __init__(self, path: str, endpoint: Endpoint, **given: Any) -> None:
        super().__init__(path, endpoint, **given)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)

        self.app = answer


class Predicted(BaseModel):
    """The answer to one row, or to a list of rows."""

    score: float | None = None  # of one row
    scores: list[float] | None = None  # of a list, in its order
    model: str
    version: str
    data_version: str
    request_id: str
    context_age: dict[str, float | None]  # seconds from the newest row of each table to the prediction


class Kept(BaseModel):
    """How many rows were kept."""

    rows: int


def add_model(app: FastAPI, model: ServedModel, paths: list[str], keys: Keys) -> None:
    """The addresses that answer with a model."""

    async def predict(request: Request) -> Response:
        """The scores of one row, or of a list of rows; each is logged before it is answered."""
        begun = time.perf_counter()
        require_key(request, keys.ask)
        body = await read_body(request, model.limits)
        answer = await model.ask(model.schema.read(body, model.limits))
        model.metrics.latency.labels(model.name).observe(time.perf_counter() - begun)
        return Response(describe(model, answer, body), media_type="application/json")

    async def explain(request: Request) -> Response:
        """The score of one row with the features behind it; it is not logged."""
        require_key(request, keys.ask)
        body = await read_body(request, model.limits)
        return Response(to_json(model.explain(model.schema.read(body, model.limits))), media_type="application/json")

    given: dict[str, Any] = {"methods": ["POST"], "responses": REFUSALS, "tags": [model.name]}
    for path in paths:
        summary = f"Predict with {model.name}"
        app.router.add_api_route(
            path,
            predict,
            response_model=Predicted,
            summary=summary,
            name=path,
            route_class_override=DirectRoute,
            openapi_extra=describe_rows(model.schema, model.limits.max_rows),
            **given,
        )
    path, summary = f"/models/{model.name}/explain", f"Explain a prediction of {model.name}"
    app.add_api_route(path, explain, summary=summary, name=path, openapi_extra=describe_rows(model.schema, 1), **given)


def add_table(app: FastAPI, receiver: Receiver, keys: Keys) -> None:
    """The address that takes rows of a table."""

    async def send_rows(request: Request) -> Kept:
        """Keep one row, or a list of rows, for the next ingest; a row that is sent again counts once."""
        if keys.send_rows is None:
            raise refuse(403, "rows_key", f"nobody may send rows here: set {ROWS_VARIABLE}")
        require_key(request, keys.send_rows)
        return Kept(rows=await receiver.take(await read_body(request, receiver.limits)))

    path, body = f"/tables/{receiver.name}/rows", describe_rows(receiver.schema, receiver.limits.max_rows)
    refusals = REFUSALS | {403: {"model": Faults}}
    given: dict[str, Any] = {"methods": ["POST"], "responses": refusals, "openapi_extra": body, "tags": ["tables"]}
    app.add_api_route(path, send_rows, status_code=202, summary=f"Send rows of {receiver.name}", name=path, **given)


def describe_rows(schema: RowSchema, most: int) -> dict[str, Any]:
    """The body of a request as OpenAPI tells it: a row or a list of at most some rows."""
    row = schema.model.model_json_schema()
    either = {"oneOf": [row, {"type": "array", "items": row, "minItems": 1, "maxItems": most}]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": either}}}}


def describe(model: ServedModel, answer: Answer, body: bytes) -> bytes:
    """An answer as it is sent: a row is answered with a score, a list with scores."""
    held, several = answer.held, is_list(body)
    return to_json(
        {
            **({"scores": answer.scores} if several else {"score": answer.scores[0]}),
            "model": model.name,
            "version": held.version,
            "data_version": held.context.data_version,
            "request_id": answer.request_id,
            "context_age": answer.ages,
        }
    )


async def read_body(request: Request, limits: Serve) -> bytes:
    """The body of a request, of JSON and no longer than is allowed.

    Raises:
        RefusedError: It is not.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise refuse(415, "content_type", "send JSON, with Content-Type: application/json")
    size, parts = 0, []
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limits.max_body:
                    raise refuse(413, "max_body", f"send at most {limits.max_body:,} bytes (serve.max_body)")
                parts.append(part)
    except TimeoutError:
        raise refuse(408, "slow", f"send the whole request within {SECONDS} seconds") from None
    except ClientDisconnect:
        raise refuse(400, "disconnected", "the request ended before its body did") from None
    return b"".join(parts)
