"""Remove what nobody needs any more: ml clean"""

from typing import Annotated

from cyclopts import Parameter

from tasks.core.locks import exclusive
from tasks.operations.clean import Waste, find_waste, remove
from tasks.operations.options import AtLeastOne
from tasks.operations.terminal import say, say_table


def clean(
    *,
    do: Annotated[bool, Parameter(help="remove it; without, it is only listed")] = False,
    days: AtLeastOne = 30,
    last: AtLeastOne = 10,
) -> None:
    """Remove old caches, reports and data that no model on record needs.

    Landed files, tables and models are never touched. Runs of the Prefect server are removed by itself, after 90 days.

    Args:
        days: Caches and reports that were not used for so long.
        last: So many of the newest data versions stay, beside those that a model on record needs.
    """
    with exclusive("ingest"), exclusive("cleaning"):
        waste = find_waste(days, last)
        say_table([describe(found) for found in waste])
        if not do:
            say("nothing was removed: `ml clean --do` removes it")
            return
        for found in waste:
            remove(found)
    say(f"{sum(len(found.files) for found in waste):,} files are removed")


def describe(found: Waste) -> dict[str, str]:
    return {"what": found.what, "files": f"{len(found.files):,}", "MB": f"{found.size / 1e6:,.1f}"}


if __name__ == "__main__":
    from flows.cli import main

    main("clean")
