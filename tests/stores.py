"""Where the parts that keep something keep it."""

from tasks import (
    evidence,
    logbook,
    partitions,
    prediction,
    promotion,
    registry,
    review,
    rounds,
    training,
    trials,
    validation,
)

MODULES = (
    evidence,
    logbook,
    partitions,
    prediction,
    promotion,
    registry,
    review,
    rounds,
    training,
    trials,
    validation,
)


def use_store(folder):
    """Let the registry, its logbook and whatever is kept for reuse lie in a folder."""
    for module in MODULES:
        module.STORE = folder
    logbook.client.cache_clear()
    logbook.experiment.cache_clear()
