"""Following what the batch side hands over: a thread loads what is new, and the loop answers with it from then on."""

import gc
import time

from serving.events import post_event
from serving.held import load, read_handover
from serving.model import FAULTS, NO_CHAMPION, ServedModel
from tasks.core.errors import InputError, first_line
from tasks.core.handover import ServedChampion, ServingContext
from tasks.core.store import store

POLL, REMOTE_POLL = 0.5, 1.0  # seconds
RETRY = 5.0  # seconds until what cannot be used is tried again


class Follower:
    """Keeps a model with what was handed over last; what cannot be used leaves the old one in its place.

    Args:
        model: That is kept.
    """

    def __init__(self, model: ServedModel) -> None:
        self.model = model
        self._seen: tuple[ServedChampion, ServingContext] | None = None
        self._again = 0.0

    def run(self) -> None:
        """Look again and again, for good."""
        while True:
            self.look()
            time.sleep(REMOTE_POLL if store().remote else POLL)

    def look(self) -> None:
        """Load what is new, if there is anything."""
        try:
            found = read_handover(self.model.name)
            if found is None:
                self.model.trouble = self.model.trouble if self.model.held else NO_CHAMPION
                return
            if found == self._seen and (not self.model.trouble or time.monotonic() < self._again):
                return
            self._seen, self._again = found, time.monotonic() + RETRY
            self._take(*found)
        except FAULTS as error:  # whatever a store or a user's features raise
            self._hinder(
                str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {first_line(error)}"
            )

    def _take(self, champion: ServedChampion, context: ServingContext) -> None:
        old = self.model.held
        held = load(self.model.use_case, champion, context, old)
        self.model.metrics.trouble.labels(self.model.name).set(0)
        if switched := not old or old.version != held.version:
            self.model.metrics.switches.labels(self.model.name).inc()  # before it answers, so that no answer is ahead
        self.model.held, self.model.trouble = held, None
        if switched:
            print(f"{self.model.name}: version {held.version} answers, data version {context.data_version}")
        gc.unfreeze()
        gc.collect()
        gc.freeze()  # it lives long: the collector need not look at it again and again

    def _hinder(self, why: str) -> None:
        self.model.metrics.trouble.labels(self.model.name).set(1)
        if why == self.model.trouble:
            return
        self.model.trouble = why
        serving = self.model.held and self.model.held.version
        stays = f"version {serving} goes on" if serving else "nothing is answered"
        print(f"{self.model.name}: {stays}: {why}", flush=True)
        post_event("endpoint.troubled", self.model.name, version=serving, reason=why)
