"""Return to the previous champion, on the record; needs no Prefect server: python -m flows.rollback REASON"""

import argparse

from prefect import flow

from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params, Prefilled
from tasks.monitoring.check_records import require_degraded
from tasks.monitoring.window_check import WindowName
from tasks.operations.artifacts import name_run
from tasks.registry.promotion import roll_back
from tasks.registry.versions import VersionNumber, read_log


@flow(log_prints=True, flow_run_name=name_run)
def rollback(
    reason: str,
    champion: VersionNumber | None = None,
    window: WindowName | None = None,
    params: Params = Prefilled.read(),
) -> None:
    """Move the champion pointer to the newest earlier champion that was not itself rolled back.

    Args:
        reason: Why; it goes on the record with the account's name.
        champion: Act only if this version is still champion; left out, whichever is.
        window: Act only if a check on record found the champion degraded in it, as the event claims.
        params: Which model, and the clock.
    """
    params = params.current()
    log = read_log(params.model)
    if window:
        require_degraded(log, window, champion)
    origin, target = roll_back(log, reason, params.clock, champion)
    print(f"version {target} of {params.model} is the champion again, in place of version {origin}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.rollback", description=__doc__)
    parser.add_argument("reason")
    parser.add_argument("--champion", help="act only if this version is still champion")
    with exit_on_input_error():
        rollback.fn(**vars(parser.parse_args()))
