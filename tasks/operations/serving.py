"""What the endpoints need of the batch side: the context of each model, and their answers taken in."""

from datetime import UTC, datetime, timedelta

from tasks.core.errors import InputError, StoreError
from tasks.core.handover import FOLDER, ServedChampion, ServingContext, context_file
from tasks.core.params import Data, Params
from tasks.core.store import store
from tasks.core.use_case import list_models, load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.serving_context import hand_over_context
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.data.versions import find_current
from tasks.inference.answers import forget_inputs, take_in_answers
from tasks.registry.hand_over import hand_over_champion

UNNAMED = timedelta(hours=1)  # a context may be about to name them


def hand_over_contexts(data: Data, snapshot: Snapshot | None = None) -> None:
    """Give the endpoints the newest rows for each model that has a champion; what hinders one is told.

    Args:
        data: How long a fetch may take.
        snapshot: The current data version, where it is at hand.
    """
    try:
        models = [model for model in list_models() if ServedChampion.read(model)]
        while models:
            snapshot = snapshot or pull_snapshot.fn(None, data)
            for model in models:
                hand_over_to(model, snapshot)
            if find_current() == snapshot.version:
                return
            snapshot = None  # a newer version was published meanwhile
    except InputError as hindrance:
        print(f"the endpoints keep the data that they have until the next tidy: {hindrance}")


def hand_over_to(model: str, snapshot: Snapshot) -> None:
    """Give the endpoints the newest rows for one model."""
    try:
        params, use_case = Params.load(model), load_use_case(model)
        hand_over_context(snapshot, use_case, resolve_as_of(None, snapshot, use_case, params.clock), params)
    except StoreError:
        raise
    except InputError as hindrance:
        print(f"the endpoint of {model} keeps the context that it has: {hindrance}")


def tidy_serving() -> None:
    """Hand over what a process that died did not, take in what endpoints answered, and forget old inputs."""
    for model in list_models():
        try:
            params, use_case = Params.load(model), load_use_case(model)
            hand_over_champion(model)
            if taken := take_in_answers(use_case, params.serve.log_inputs):
                print(f"{taken:,} answers of endpoints to {model} taken in")
            forget_inputs(model, params.serve.keep_inputs, datetime.now(UTC))
        except InputError as hindrance:
            print(f"the endpoint of {model} is tidied another time: {hindrance}")
    hand_over_contexts(Params.load("").data)
    remove_old_contexts()


def remove_old_contexts() -> None:
    """Remove rows that no context has named for an hour, of whichever machine."""
    files = store().list(FOLDER)
    models = [file.split("/")[1] for file in files if file.endswith("/context.json")]
    contexts = [context for model in models if (context := ServingContext.read(model))]
    named = {context_file(table.digest) for context in contexts for table in context.tables.values()}
    for file in files:
        if file.endswith(".parquet") and file not in named and store().age(file) > UNNAMED:
            store().remove(file)
