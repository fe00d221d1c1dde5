"""The application: what an endpoint answers to which address."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from serving.example import make_example
from serving.follow import Follower
from serving.keys import is_loopback, require_key
from serving.metrics import Metrics
from serving.model import NO_CHAMPION, RETRY, Answer, ServedModel
from serving.refusal import Faults, RefusedError, refuse
from tasks.core.params import Serve

PAGE = Path(__file__).with_name("page.html")
POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Faults} for status in (400, 401, 409, 413, 415, 422, 503)
}


class Predicted(BaseModel):
    """The answer to one row, or to a list of rows."""

    score: float | None = None  # of one row
    scores: list[float] | None = None  # of a list, in its order
    model: str
    version: str
    data_version: str
    request_id: str
    context_age: dict[str, float | None]  # seconds from the newest row of each table to the prediction


class State(BaseModel):
    """How a model is served."""

    ready: bool
    version: str | None
    since: datetime | None
    data_version: str | None
    as_of: datetime | None
    trouble: str | None


def make_app(models: dict[str, ServedModel], default: str, keys: list[bytes], host: str, metrics: Metrics) -> FastAPI:
    """The application for some models.

    Args:
        models: By name.
        default: Whose answers /predict gives.
        keys: One of which each request needs; none: nobody needs one.
        host: The address that it is bound to.
        metrics: What is counted.
    """
    app = FastAPIOffline(title="Predictions", lifespan=live(models), redoc_url=None)
    app.state.keys, app.state.default, app.state.metrics = keys, default, metrics
    if is_loopback(host):  # a page of elsewhere that names this address is not answered
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "::1", "testserver"])
    app.add_exception_handler(RefusedError, tell_refusal)
    app.openapi = lambda: describe_api(app, models)
    for name, model in models.items():  # first, since they are asked most
        add_model(app, model, [f"/models/{name}/predict", *(["/predict"] if name == default else [])])
    add_states(app, models, metrics)
    add_page(app, default)
    return app


def live(models: dict[str, ServedModel]) -> Callable[[FastAPI], Any]:
    """Start what runs beside the requests; at the end, what was accepted is answered before."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        work = [asyncio.create_task(part) for model in models.values() for part in (model.work(), keep_journal(model))]
        for model in models.values():
            model.journal.recover()
            follower = Follower(model, print)
            threading.Thread(target=follower.run, daemon=True, name=f"follow {model.name}").start()
        yield
        for task in work:
            task.cancel()
        for model in models.values():
            model.journal.finish()
            model.journal.send()

    return lifespan


async def keep_journal(model: ServedModel) -> None:
    """Finish and ship the journal of a model once in a while; what cannot be shipped is tried again."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1)
        if time.monotonic() - model.journal.begun < model.limits.ship.total_seconds():
            continue
        model.journal.finish()
        model.journal.begun = time.monotonic()
        try:
            await loop.run_in_executor(None, model.journal.send)
        except Exception as error:  # whatever a client of an object store raises
            print(f"{model.name}: the log is shipped another time: {error}")


def add_model(app: FastAPI, model: ServedModel, paths: list[str]) -> None:
    """The addresses that answer with a model."""
    row = model.schema.model.model_json_schema()
    either = {"oneOf": [row, {"type": "array", "items": row, "minItems": 1, "maxItems": model.limits.max_rows}]}
    extra = {"requestBody": {"required": True, "content": {"application/json": {"schema": either}}}}

    async def predict(request: Request) -> Response:
        """The scores of one row, or of a list of rows; each is logged before it is answered."""
        begun = time.perf_counter()
        require_key(request)
        body = await read_body(request, model.limits)
        answer = await model.ask(model.schema.read(body, model.limits))
        model.metrics.latency.labels(model.name).observe(time.perf_counter() - begun)
        return Response(describe(model, answer, body), media_type="application/json")

    async def explain(request: Request) -> Response:
        """The score of one row with the features behind it; it is not logged."""
        require_key(request)
        body = await read_body(request, model.limits)
        return Response(to_json(model.explain(model.schema.read(body, model.limits))), media_type="application/json")

    given: dict[str, Any] = {"methods": ["POST"], "openapi_extra": extra}
    for path in paths:
        app.add_api_route(path, predict, response_model=Predicted, responses=REFUSALS, name=path, **given)
    app.add_api_route(
        f"/models/{model.name}/explain", explain, responses=REFUSALS, name=f"{model.name} explain", **given
    )


def describe_api(app: FastAPI, models: dict[str, ServedModel]) -> dict[str, Any]:
    """The schema of the API, with an example for each model of a moment that it can answer now."""
    schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path, parts in schema["paths"].items():
        name = path.split("/")[2] if path.startswith("/models/") else app.state.default
        if "post" in parts and name in models and (example := make_example(models[name])):
            parts["post"]["requestBody"]["content"]["application/json"]["example"] = example
    return schema


def describe(model: ServedModel, answer: Answer, body: bytes) -> bytes:
    """An answer as it is sent: a row is answered with a score, a list with scores."""
    held, several = answer.held, body.lstrip()[:1] == b"["
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
        async for part in request.stream():
            size += len(part)
            if size > limits.max_body:
                raise refuse(413, "max_body", f"send at most {limits.max_body:,} bytes (serve.max_body)")
            parts.append(part)
    except ClientDisconnect:
        raise refuse(400, "disconnected", "the request ended before its body did") from None
    return b"".join(parts)


async def tell_refusal(request: Request, refusal: Exception) -> Response:
    """The answer to a request that is refused."""
    assert isinstance(refusal, RefusedError)
    route = request.scope.get("route")
    path = route.path if route else ""
    for rule in {fault.rule for fault in refusal.faults}:
        request.app.state.metrics.refusals.labels(path, rule).inc()
    headers = {"Retry-After": RETRY} if refusal.status == 503 else {}
    return Response(refusal.body, refusal.status, headers=headers, media_type="application/json")


def add_page(app: FastAPI, default: str) -> None:
    """The page to try it on; nothing of it is loaded from elsewhere."""
    page = PAGE.read_text().replace("{{ default }}", default)

    async def show_page() -> Response:
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": POLICY})

    app.add_api_route("/", show_page, include_in_schema=False)


def add_states(app: FastAPI, models: dict[str, ServedModel], metrics: Metrics) -> None:
    """How the endpoint is: alive, ready, and in numbers."""

    async def health() -> dict[str, str]:
        """It is alive."""
        return {"status": "ok"}

    async def ready(response: Response) -> dict[str, State]:
        """By model: the version that answers and since when, and what is wrong.

        503 while none can answer, or one that has a champion cannot.
        """
        states = {name: describe_state(model) for name, model in models.items()}
        waiting = [name for name, state in states.items() if not state.ready and state.trouble != NO_CHAMPION]
        response.status_code = 503 if waiting or not any(state.ready for state in states.values()) else 200
        return states

    async def numbers(request: Request) -> Response:
        """For Prometheus."""
        require_key(request)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    app.add_api_route("/health", health)
    app.add_api_route("/ready", ready, responses={503: {"model": dict[str, State]}})
    app.add_api_route("/metrics", numbers)


def describe_state(model: ServedModel) -> State:
    """How a model is served."""
    held = model.held
    if held is None:
        return State(ready=False, version=None, since=None, data_version=None, as_of=None, trouble=model.trouble)
    facts = {"data_version": held.context.data_version, "as_of": held.context.as_of, "since": held.since}
    return State(ready=True, version=held.version, trouble=model.trouble, **facts)
