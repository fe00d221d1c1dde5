"""Override the gate and make a version champion, on record: python -m flows.promote VERSION REASON"""

import argparse

from prefect import flow

from tasks.core.errors import exit_on_input_error
from tasks.core.params import Params, Prefilled
from tasks.operations.naming import name_run
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
    print(f"version {version} of {params.model} is the champion now")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.promote", description=__doc__)
    parser.add_argument("version")
    parser.add_argument("reason")
    parser.add_argument("--model", help="its name in project/")
    with exit_on_input_error():
        promote.fn(**vars(parser.parse_args()))
