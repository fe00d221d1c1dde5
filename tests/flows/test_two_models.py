"""Two models side by side: each scores, finds, decides and tells what it would alone."""

from datetime import UTC, datetime
from functools import partial

import polars as pl
import pytest
from prefect.client.orchestration import get_client
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter
from stacks import wait_for
from stores import check_registry, new_workspace, use_workspace

from flows.monitor import monitor
from flows.predict import predict
from flows.train import train
from tasks.core.tables import literal, read_rows
from tasks.inference.prediction_log import PREDICTIONS
from tasks.registry.decision_log import read_log, resource_of
from tasks.registry.entries import Checked

pytestmark = pytest.mark.server

MODELS = ["late-arrivals", "arrival-delay"]
NEWS = EventNameFilter(name=["data.drifted", "data.rejected", "model.degraded", "model.promoted", "model.rejected"])
UNLIKE = {"made_at", "bundle", "digests", "run", "pid"}  # of two entries that say the same
YEAR = [datetime(2013, month, 1, tzinfo=UTC) for month in range(5, 13)]


def play(models: list[str], days: list[datetime]) -> tuple[datetime, datetime]:
    """Train each model as of April, then score and check it at each of these days, and train it if it drifted.

    Returns:
        When that began and when it ended.
    """
    began = datetime.now(UTC)
    for model in models:
        train(datetime(2013, 4, 1, tzinfo=UTC), model=model)
    for day in days:
        for model in models:
            predict(day, model=model)
            if monitor(day, model=model).alarm:
                check = read_log(model).of(Checked)[-1]
                train(cause="drift", event=resource_of(model, check))
    return began, datetime.now(UTC)


def entries(model: str) -> list[dict]:
    """What the log of a model says."""
    return [entry.model_dump(mode="json", exclude=UNLIKE) for entry in read_log(model).entries]


def scores(model: str) -> pl.DataFrame:
    """What a model predicted."""
    columns = ["key", "event_time", "score", "predecessor_score", "version", "data_version", "as_of"]
    return read_rows(PREDICTIONS, f"model = {literal(model)}", columns).sort("key")


def news(model: str, since: datetime, until: datetime) -> list[tuple]:
    """What was told of a model in this time."""
    chosen = EventFilter(event=NEWS, occurred=EventOccurredFilter(since=since, until=until))
    with get_client(sync_client=True) as client:
        found = client.read_events(chosen, limit=50).events
    told = [event for event in found if event.payload.get("model") == model]
    return sorted((event.event, event.resource.id, str(sorted(event.payload.items()))) for event in told)


@pytest.mark.parametrize(
    "days", [pytest.param(YEAR[:2], marks=pytest.mark.slow), pytest.param(YEAR, marks=pytest.mark.prove)], ids=len
)
def test_each_of_two_models_scores_finds_decides_and_tells_what_it_would_alone(
    server, own_workspace, tmp_path, monkeypatch, days
):
    for name, value in {"TUNING__N_TRIALS": "2", "TUNING__MAX_ROWS": "5000", "MONITOR__REPORT": "never"}.items():
        monkeypatch.setenv(f"PARAMS_{name}", value)
    span = play(MODELS, days)
    together = {model: (entries(model), scores(model)) for model in MODELS}
    for model in MODELS:
        check_registry(model)
        use_workspace(new_workspace(tmp_path / f"{model} alone"))
        alone = play([model], days)
        log, predicted = together[model]
        assert entries(model) == log
        assert scores(model).equals(predicted) and predicted.height > 10_000 * len(days)
        wait_for(partial(told_alike, model, span, alone))
        use_workspace(own_workspace)


def told_alike(model: str, *spans: tuple[datetime, datetime]) -> bool:
    """Whether the same was told of a model in two times, and each promotion."""
    first, second = (news(model, *span) for span in spans)
    return first == second and len(first) >= sum(entry["kind"] == "promotion" for entry in entries(model)) > 0
