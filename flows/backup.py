"""Back up what cannot be made again: ml backup TO"""

from tasks.core.params import Params
from tasks.operations.backup import back_up
from tasks.operations.options import Address, AtLeastOne
from tasks.operations.terminal import say


def backup(to: Address, /, *, last: AtLeastOne = 10) -> None:
    """Copy tables, models, data and settings to a folder or s3://bucket/prefix, also while the loop runs.

    Args:
        to: Where; backups that are there already stay, and what they hold is not copied again.
        last: So many of the newest data versions, beside those that a model on record needs.
    """
    say(f"backup {back_up(to, last, Params.load('').data)} is whole; `ml restore {to}` brings it back")


if __name__ == "__main__":
    from flows.cli import main

    main("backup")
