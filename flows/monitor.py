"""Check the newest window: drift, quality, and who needs to hear of it: python -m flows.monitor"""

import argparse
from datetime import datetime

from prefect import flow

from tasks.core.errors import InputError, StoreError, exit_on_input_error
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.feature_frame import build_feature_frame
from tasks.data.snapshot import pull_snapshot
from tasks.monitoring.check_records import (
    find_checked,
    read_check,
    record_check,
    says_more,
    tell_check,
    tell_degraded,
)
from tasks.monitoring.evidently_report import render_report, wants_report
from tasks.monitoring.window_check import WindowCheck, check_window, newest_window, reject_window
from tasks.operations.artifacts import report_check
from tasks.operations.naming import name_run
from tasks.registry.decision_log import read_log
from tasks.registry.tracking import mirror
from tasks.registry.versions import load_predecessor, require_champion


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
    known = find_checked(log, window, champion.version)
    try:
        frame, _ = build_feature_frame(snapshot, use_case, as_of, window.start, params.validation)
    except StoreError:
        raise
    except InputError as error:
        frame, check = None, reject_window(window.name, champion.version, str(error))
    else:
        predecessor = load_predecessor(log, as_of)
        given = params.monitor, params.gate.threshold
        check = check_window(params.model, frame, window, champion, predecessor, *given)
    if known and not says_more(check, read_check(known, with_findings=True), params.monitor.min_labels):
        print(f"nothing new: window {window.name} was checked for version {champion.version}")
        tell_degraded(log, known)
        return read_check(known)
    tell_check(log, record_check(params.model, as_of, check), known)
    wanted = frame is not None and wants_report(check, params.monitor)
    report = render_report(params.model, frame, window, champion, check, params.seed) if wanted else None
    log = read_log(params.model)
    report_check(log, check, report)
    mirror(log)
    print(check)
    return check


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.monitor", description=__doc__)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help="logical time in UTC, e.g. 2013-06-01")
    parser.add_argument("--data-rev", help="git revision, tag or data version")
    parser.add_argument("--model", help="its name in project/")
    with exit_on_input_error():
        monitor(**vars(parser.parse_args()))
