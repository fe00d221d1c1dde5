"""Where the parts that keep something keep it."""

from importlib import import_module

from tasks.registry import decision_log as logbook
from tasks.registry.versions import current_alias, find_moves, load_version

KEEPERS = (
    "monitoring.evidently_report",
    "core.locks",
    "registry.decision_log",
    "data.feature_frame",
    "inference.prediction_log",
    "registry.versions",
    "training.challenger",
    "training.trials",
    "data.validation",
)


def use_store(folder):
    """Let the registry, its logbook and whatever is kept for reuse lie in a folder."""
    for name in KEEPERS:
        import_module(f"tasks.{name}").STORE = folder
    logbook.client.cache_clear()
    logbook.experiment.cache_clear()


def check_registry(model) -> None:
    """One whole champion or none, and a record with its evidence for every move."""
    moves, champion = find_moves(model), current_alias(model)
    assert champion == (moves[-1].target if moves else None)
    if champion:
        assert load_version(model, champion).card["model"] == model
    for record in logbook.find_records(model, "promotion", "rollback"):
        assert logbook.read_evidence(model, record.info.run_id)["target"] == record.data.tags["target"]
