"""Serving models on an address until the process is told to end."""

import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

from serving.app import make_app
from serving.journal import Journal
from serving.keys import read_keys
from serving.metrics import Metrics
from serving.model import ServedModel
from serving.patience import PatientProtocol
from serving.receive import open_receivers
from tasks.core.errors import InputError
from tasks.core.handover import ANSWERS
from tasks.core.params import Params
from tasks.core.store import store
from tasks.core.use_case import list_models, load_use_case, require_model
from tasks.core.workspace import workspace

CONNECTIONS = 1_000
PATIENCE = 30  # seconds that accepted requests have at the end


def serve(model: str | None, host: str, port: int) -> None:
    """Answer on an address.

    Args:
        model: Only this one; None is all of project/.
        host: The address to bind to; another than loopback needs keys.
        port: The port to bind to.

    Raises:
        InputError: There is no such model, no key, or the port is in use.
    """
    keys, metrics = read_keys(host), Metrics()
    names = [model] if model else list_models()
    require_model(model or Params.load().model)
    models = open_models(names, metrics)
    if not models:
        raise InputError("no model of project/ can be loaded: see above")
    default = model or Params.load().model
    default = default if default in models else next(iter(models))
    models = {default: models[default]} | models
    app = make_app(models, open_receivers(metrics), default, keys, host, metrics)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=PATIENCE,
        server_header=False,
        http=PatientProtocol,
        ws="none",
        proxy_headers=False,
    )
    with bind(host, port) as listener:
        shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104
        print(f"open http://{shown}:{port} to try it, /docs for its API, /ready for its state", flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def open_models(names: list[str], metrics: Metrics) -> dict[str, ServedModel]:
    """The models that can be loaded; what hinders one is told and keeps no other from being served."""
    models = {}
    for name in names:
        try:
            use_case, limits = load_use_case(name), Params.load(name).serve
        except InputError as error:
            print(f"{name} is not served: {error}")
            continue
        models[name] = ServedModel(use_case, limits, open_journal(name, limits.fsync), metrics)
    return models


def open_journal(model: str, fsync: bool) -> Journal:
    """Where the answers of a model are logged: in the store, or on this disk until they are shipped to it."""
    if not store().remote:
        return Journal(Path(store().address) / ANSWERS / model, fsync)
    return Journal(
        workspace().answers / model, fsync, lambda name, content: store().put(f"{ANSWERS}/{model}/{name}", content)
    )


def bind(host: str, port: int) -> socket.socket:
    """A socket of an address.

    Raises:
        InputError: It cannot be bound to.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InputError(f"{host}:{port} cannot be served: {error.strerror}; choose another with --port") from None
    return listener
