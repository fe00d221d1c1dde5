"""Return to the previous champion, on the record; needs no Prefect server: ml rollback REASON"""

from prefect import flow

from tasks.core.params import Params, Prefilled
from tasks.operations.naming import name_run
from tasks.operations.run_end import end_as
from tasks.registry.decision_log import EventId, read_log
from tasks.registry.entries import VersionNumber
from tasks.registry.promotion import roll_back
from tasks.registry.refusals import require_degraded


@flow(log_prints=True, flow_run_name=name_run)
def rollback(
    reason: str = "",
    champion: VersionNumber | None = None,
    event: EventId = "",
    model: str | None = None,
    params: Params = Prefilled.read(),
) -> None:
    """Make the newest earlier champion that was not itself rolled back champion again.

    Args:
        reason: Why; it goes on the record with the account's name.
        champion: Act only if this version is still champion; left out, whichever is.
        event: Of a degraded champion, as model.NAME.ENTRY; version and reason are those of the entry on record.
        model: Its name; left out, that of the event, of params.yaml, or the only one of project/.
        params: The clock.
    """
    params = params.current(model, event)
    if event:
        check = require_degraded(read_log(params.model), event, params.clock)
        champion, reason = check.version, f"degraded in window {check.window}, entry {check.number}"
    move = roll_back(params.model, reason, params.clock, champion)
    told = f"version {move.version} of {params.model} is the champion again, in place of version {move.replaces}"
    print(told)
    return end_as("RolledBack", f"{told}: {reason}", None, model=params.model)


if __name__ == "__main__":
    from flows.cli import main

    main("rollback")
