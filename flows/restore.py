"""Bring a backup back: ml restore FROM"""

from tasks.core.locks import exclusive
from tasks.core.params import Params
from tasks.operations import restore as work
from tasks.operations.options import Address
from tasks.operations.terminal import say


def restore(source: Address, /, *, name: str | None = None) -> None:
    """Bring a backup into a workspace whose store is empty; settings that are there are left as they are.

    Args:
        source: Where ml backup put it.
        name: Of the backup, if not the newest.
    """
    params = Params.load("")
    with exclusive("ingest"):
        found, left = work.restore(source, name)
        version = work.place_current(params.data)
    for sentence in left:
        say(sentence)
    say(f"backup {found} is restored, data version {version} is in place; `ml audit --verify` checks the record")


if __name__ == "__main__":
    from flows.cli import main

    main("restore")
