"""The story of the demo: eight months of the loop on the sample. `make demo` sets the stage (demo/__main__.py)."""

from datetime import UTC, datetime

from demo.rehearsal import compare_months, deliver, newest_alarm, open_season, read_sample, train_bad_model
from demo.storytelling import pause_schedules, show_chart, tell_figures, tell_where, wait_for_run
from flows.ingest import ingest
from flows.monitor import monitor
from flows.predict import predict
from flows.promote import promote
from flows.train import train
from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params
from tasks.core.use_case import load_use_case
from tasks.data.snapshot import pull_snapshot
from tasks.monitoring.window import WindowCheck
from tasks.operations.terminal import show_own_lines
from tasks.registry.decision_log import read_log

DAYS = [datetime(2013, month, 1, tzinfo=UTC) for month in range(4, 13)]
PLANTED = "2013-11"  # the month that a bad model serves


def tell_story() -> None:
    """January to March are there; then month by month to December."""
    show_own_lines()
    pause_schedules()
    params, events = Params.load(), {}
    sample = pull_snapshot.fn(None, params.data)
    tables = read_sample(sample)
    open_season(sample, tables, DAYS[0])
    print(f"\n{DAYS[0]:%Y-%m-%d}  Three months of flights are in. A first model is trained; there is no champion yet.")
    train(DAYS[0], params=params)
    for before, day in zip(DAYS, DAYS[1:], strict=False):
        print(f"\n{day:%Y-%m-%d}  A month of flights lands, with the outcomes known by now.")
        deliver(tables, before, day)
        ingest(params=params)
        print(f"  {predict(day, params=params):,} rows scored.")
        print(check := monitor(day, params=params))
        if happened := hear(check, day, params):
            events[f"{before:%Y-%m}"] = happened
        if day.month == 10:
            try_sliding_window(day, params)
        if day.month == 11:
            plant_bad_model(day, params)
    months = compare_months(load_use_case(params.model), DAYS[0], DAYS[-1], params)
    show_chart(months, events, PLANTED)
    tell_figures(months, PLANTED)
    tell_where()


def hear(check: WindowCheck, day: datetime, params: Params) -> str | None:
    """Wait for whatever a check set off in the worker; returns what came of it."""
    if check.alarm:
        print("  Drift: the event data.drifted starts train/train-on-drift in the worker ...")
        wait_for_run("train/train-on-drift", newest_alarm(params.model))
        log = read_log(params.model)
        promoted = any(move.kind == "promotion" and move.as_of == day for move in log.moves)
        print(f"  {'Promoted' if promoted else 'Rejected'}: the champion is version {log.champion()}.")
        return f"drift,\n{'promoted' if promoted else 'rejected'}"
    if check.quality and check.quality.degraded:
        print("  Worse than before: the event model.degraded starts rollback/rollback-on-degraded in the worker ...")
        wait_for_run("rollback/rollback-on-degraded")
        print(f"  The champion is version {read_log(params.model).champion()} again.")
        return "rolled\nback"
    return None


def try_sliding_window(day: datetime, params: Params) -> None:
    """A training by hand, on three months only."""
    print("  Somebody thinks that the last three months are enough, and starts a training by hand.")
    split = params.split.model_validate(params.split.model_dump() | {"history": "92d"})
    sliding = params.model_copy(update={"split": split})
    train(day, reason="a sliding window adapts faster", params=sliding)


def plant_bad_model(day: datetime, params: Params) -> None:
    """A version with shuffled history, promoted although the gate rejected it."""
    print("  Somebody promotes a bad model by hand, over the gate's head.")
    bad = train_bad_model(load_use_case(params.model), day, params)
    promote(bad.version, "it looked fine on my machine", params=params)


if __name__ == "__main__":
    with exit_on_input_error():
        tell_story()
