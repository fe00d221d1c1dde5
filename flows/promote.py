"""Override the gate and make a version champion, on record: ml promote VERSION REASON"""

from prefect import flow

from tasks.core.params import Params, Prefilled
from tasks.core.provenance import who
from tasks.operations.home_page import refresh_home_page
from tasks.operations.naming import name_run
from tasks.operations.run_end import end_as
from tasks.operations.serving import hand_over_contexts
from tasks.registry.entries import VersionNumber
from tasks.registry.promotion import promote_by_hand


@flow(log_prints=True, flow_run_name=name_run)
def promote(version: VersionNumber, reason: str, model: str | None = None, params: Params = Prefilled.read()) -> None:
    """A person's override: make a registered version champion, whatever the gate said.

    Args:
        version: Its number in the registry.
        reason: Why; it goes on the record with the account's name.
        model: Its name; left out, that of params.yaml, or the only one of project/.
        params: The clock.
    """
    params = params.current(model)
    promote_by_hand(params.model, version, reason, params.clock)
    hand_over_contexts(params.data)
    refresh_home_page()
    print(f"version {version} of {params.model} is the champion now")
    return end_as("Promoted", f"version {version} by {who()}: {reason}", None, model=params.model)


if __name__ == "__main__":
    from flows.cli import main

    main("promote")
