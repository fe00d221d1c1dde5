"""What the endpoints need of the batch side: the context of each model, and their answers taken in."""

from datetime import UTC, datetime

from tasks.core.errors import InputError, StoreError
from tasks.core.handover import FOLDER, Champion, Context, context_file
from tasks.core.params import Params
from tasks.core.store import store
from tasks.core.use_case import list_models, load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.serving_context import hand_over_context
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.inference.answers import forget_inputs, take_in_answers
from tasks.registry.hand_over import hand_over_champion


def hand_over_contexts(snapshot: Snapshot) -> None:
    """Give the endpoints the newest rows for each model that has a champion; what hinders one is told."""
    for model in list_models():
        try:
            if Champion.read(model):
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
            take_in_answers(use_case, params.serve.log_inputs)
            forget_inputs(model, params.serve.keep_inputs, datetime.now(UTC))
        except StoreError:
            raise
        except InputError as hindrance:
            print(f"the endpoint of {model} is tidied another time: {hindrance}")
    if any(Champion.read(model) for model in list_models()):
        hand_over_contexts(pull_snapshot.fn(None, Params.load("").data))
        remove_old_contexts()


def remove_old_contexts() -> None:
    """Remove the rows that no context names any more; an endpoint that is reading them reads the newer ones then."""
    files = store().list(FOLDER)
    models = [file.split("/")[1] for file in files if file.endswith("/context.json")]  # of whichever machine
    contexts = [context for model in models if (context := Context.read(model))]
    named = {context_file(table.digest) for context in contexts for table in context.tables.values()}
    for file in files:
        if file.endswith(".parquet") and file not in named:
            store().remove(file)
