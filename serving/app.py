"""The application: what an endpoint answers to which address."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from serving.api import add_model, add_table
from serving.follow import Follower
from serving.keys import Keys, OnlyThisHost, is_loopback
from serving.metrics import Metrics
from serving.model import NO_CHAMPION, RETRY, ServedModel
from serving.openapi import describe_api
from serving.receive import Receiver
from serving.refusal import RefusedError, refuse

PAGE = Path(__file__).with_name("page.html")
NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False}  # /metrics has it all
POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


class State(BaseModel):
    """How a model is served."""

    ready: bool
    version: str | None
    since: datetime | None
    data_version: str | None
    as_of: datetime | None
    trouble: str | None


def make_app(
    models: dict[str, ServedModel],
    receivers: dict[str, Receiver],
    default: str,
    keys: Keys,
    host: str,
    metrics: Metrics,
) -> FastAPI:
    """The application for some models.

    Args:
        models: By name.
        receivers: Of rows, by table.
        default: Whose answers /predict gives.
        keys: One of which a request needs.
        host: The address that it is bound to.
        metrics: What is counted.
    """
    app = FastAPIOffline(title="Predictions", lifespan=live(models, receivers), redoc_url=None, telemetry=NO_TELEMETRY)
    app.state.default, app.state.metrics = default, metrics
    if is_loopback(host):  # a page of elsewhere that names this address is not answered
        app.add_middleware(OnlyThisHost, host=host)
    app.add_exception_handler(RefusedError, tell_refusal)
    app.add_exception_handler(HTTPException, tell_exception)
    app.openapi = describe_api(app, models, receivers, keys)
    for name, model in models.items():  # first, since they are asked most
        add_model(app, model, [f"/models/{name}/predict", *(["/predict"] if name == default else [])], keys)
    for receiver in receivers.values():
        add_table(app, receiver, keys)
    add_states(app, models, metrics)
    add_page(app, default)
    return app


def live(models: dict[str, ServedModel], receivers: dict[str, Receiver]) -> Callable[[FastAPI], Any]:
    """Start what runs beside the requests; at the end, what was accepted is answered before."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kept = [*models.values(), *receivers.values()]
        work = [asyncio.create_task(model.work()) for model in models.values()]
        work += [asyncio.create_task(part.journal.keep(part.limits.ship)) for part in kept]
        for part in kept:
            part.journal.recover()
        for model in models.values():
            follower = Follower(model)
            threading.Thread(target=follower.run, daemon=True, name=f"follow {model.name}").start()
        yield
        for task in work:
            task.cancel()
        for part in kept:
            part.journal.finish()
        for part in kept:
            try:
                part.journal.send()
            except Exception as error:  # whatever a client of an object store raises
                print(f"what is left in {part.journal.folder} is shipped at the next start: {error}")

    return lifespan


async def tell_refusal(request: Request, refusal: Exception) -> Response:
    """The answer to a request that is refused."""
    assert isinstance(refusal, RefusedError)
    route = request.scope.get("route")
    path = route.path if route else ""
    for rule in {fault.rule for fault in refusal.faults}:
        request.app.state.metrics.refusals.labels(path, rule).inc()
    headers = {"Retry-After": RETRY} if refusal.status == 503 else {}
    return Response(refusal.body, refusal.status, headers=headers, media_type="application/json")


async def tell_exception(request: Request, error: Exception) -> Response:
    """The answer where there is no such address or method."""
    assert isinstance(error, HTTPException)
    refusal = refuse(error.status_code, "address", f"{error.detail}: see /docs")
    return Response(refusal.body, refusal.status, headers=error.headers, media_type="application/json")


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

    async def numbers() -> Response:
        """For Prometheus."""
        return PlainTextResponse(metrics.text())

    app.add_api_route("/health", health, tags=["state"])
    app.add_api_route("/ready", ready, tags=["state"], responses={503: {"model": dict[str, State]}})
    app.add_api_route("/metrics", numbers, tags=["state"], response_class=PlainTextResponse)


def describe_state(model: ServedModel) -> State:
    """How a model is served."""
    held = model.held
    if held is None:
        return State(ready=False, version=None, since=None, data_version=None, as_of=None, trouble=model.trouble)
    facts = {"data_version": held.context.data_version, "as_of": held.context.as_of, "since": held.since}
    return State(ready=True, version=held.version, trouble=model.trouble, **facts)
