"""Check the newest window: drift, quality, and who needs to hear of it: ml monitor"""

from datetime import datetime

import polars as pl
from prefect import flow

from tasks.core.errors import InputError, StoreError
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import UseCase, load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.monitoring.check_records import (
    find_checked,
    read_check,
    record_check,
    says_more,
    tell_check,
    tell_degraded,
)
from tasks.monitoring.evidently_report import render_report, wants_report
from tasks.monitoring.late_features import tell_late_features
from tasks.monitoring.window import Window, WindowCheck, newest_window, reject_window
from tasks.monitoring.window_check import check_window
from tasks.operations.check_page import check_page
from tasks.operations.home_page import refresh_home_page
from tasks.operations.naming import name_run
from tasks.operations.progress import progress_bar
from tasks.operations.run_end import end_as, name_check
from tasks.registry.decision_log import read_log
from tasks.registry.state import Log
from tasks.registry.tracking import mirror
from tasks.registry.versions import Champion, load_predecessor, require_champion


@flow(log_prints=True, flow_run_name=name_run)
def monitor(
    as_of: datetime | None = None,
    data_rev: str | None = None,
    model: str | None = None,
    params: Params = Prefilled.read(),
) -> WindowCheck:
    """Compare the newest window with what the champion was fitted on, and its predictions with their outcomes.

    Args:
        as_of: The logical time in UTC; left out, the clock of params.yaml tells.
        data_rev: A git revision or tag, or a data version; the current data.dvc if left out.
        model: Its name; left out, that of params.yaml, or the only one of project/.
        params: What is changed here wins over the model's settings, for this run only.

    Returns:
        What the check found.
    """
    params = params.current(model)
    use_case = load_use_case(params.model)
    snapshot = pull_snapshot(data_rev, params.data)
    as_of, log = resolve_as_of(as_of, snapshot, use_case, params.clock), read_log(params.model)
    champion, window = require_champion(log, as_of), newest_window(as_of)
    late = tell_late_features(use_case, snapshot, champion, as_of, params)
    known = find_checked(log, window, champion.version)
    check, frame = check_or_reject(params, use_case, snapshot, log, champion, window, as_of)
    if known and not says_more(check, read_check(known, with_findings=True), params.monitor.min_labels):
        tell_degraded(log, known)
        why = f"window {window.name} was checked for version {champion.version} already{late}"
        return end_as("NothingNew", why, read_check(known), check_page(log, check), params.model)
    tell_check(log, record_check(params.model, as_of, check), known)
    if frame is not None and wants_report(check, params.monitor):
        with progress_bar(params.model, "drift report"):
            render_report(params.model, frame, window, champion, check, params.seed)
    log = read_log(params.model)
    mirror(log)
    refresh_home_page()
    name, found = name_check(check)
    return end_as(name, found + late, check, check_page(log, check), params.model)


def check_or_reject(
    params: Params,
    use_case: UseCase,
    snapshot: Snapshot,
    log: Log,
    champion: Champion,
    window: Window,
    as_of: datetime,
) -> tuple[WindowCheck, pl.DataFrame | None]:
    """The check of a window and its frame; a window whose data cannot be used is rejected, on record."""
    try:
        frame, _ = build_feature_frame(snapshot, use_case, as_of, window.start, params.validation)
    except StoreError:
        raise
    except InputError as error:
        return reject_window(window.name, champion.version, str(error)), None
    given = load_predecessor(log, as_of), params.monitor, params.gate.threshold
    return check_window(params.model, frame, window, champion, *given), frame


if __name__ == "__main__":
    from flows.cli import main

    main("monitor")
