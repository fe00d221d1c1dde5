"""All places where files lie that ingest takes in: the landing place, and folders that sources name."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

import polars as pl
from prefect.utilities.timeout import timeout

from tasks.core.errors import InputError
from tasks.data.folders import Found, Listing
from tasks.data.landing import LandingPlace

Result = TypeVar("Result")


class Places:
    """The landing place, and others whose files are called TABLE/SOURCE:/PATH.

    Args:
        landing: Where files and sources land.
        others: Places whose files are taken in where they lie, each by the beginning of their names.
        limit: How long each listing, and the reading of one file, may take.
    """

    def __init__(self, landing: LandingPlace, others: Mapping[str, LandingPlace], limit: timedelta) -> None:
        self.landing, self.others, self.limit = landing, others, limit

    def list(self) -> Listing:
        """All files, by the time that they were modified, then by name; a place that fails hides no other.

        Raises:
            InputError: The landing place cannot be looked at.
        """
        found = [within(self.limit, self.landing.source, self.landing.list)]
        for beginning, place in self.others.items():
            try:
                files, troubles = within(self.limit, place.source, place.list)
                found.append(Listing(files.with_columns((pl.lit(beginning) + pl.col("file")).alias("file")), troubles))
            except InputError as error:
                found.append(Listing(found[0].files.clear(), [str(error)]))
        files = pl.concat(listing.files for listing in found).sort("modified", "file")
        return Listing(files, [trouble for listing in found for trouble in listing.troubles])

    def place_of(self, name: str) -> LandingPlace:
        """The place that a file lies in."""
        return self._find(name)[0]

    def address(self, name: str) -> str:
        """Where a file lies, for sentences."""
        place, inner = self._find(name)
        return f"{place.source}/{inner}"

    def read(self, file: Found) -> bytes | None:
        """The content of a file; None if it changed or vanished since it was listed.

        Raises:
            OSError: It cannot be read.
            InputError: It does not answer in time.
        """
        place, inner = self._find(file.name)
        return within(self.limit, self.address(file.name), lambda: place.read(file._replace(name=inner)))

    def read_beside(self, file: Found, suffix: str) -> bytes | None:
        """The content of NAME + suffix, if there is such a file."""
        place, inner = self._find(file.name)
        return place.read_beside(file._replace(name=inner), suffix)

    def _find(self, name: str) -> tuple[LandingPlace, str]:
        """The place that a file lies in, and its name there."""
        for beginning, place in self.others.items():
            if name.startswith(beginning):
                return place, name.removeprefix(beginning)
        return self.landing, name


def within(limit: timedelta, what: str, do: Callable[[], Result]) -> Result:
    """The result of a work that may hang."""
    try:
        with timeout(limit.total_seconds()):
            return do()
    except TimeoutError:
        seconds = limit.total_seconds()
        raise InputError(
            f"{what} did not answer within data.timeout ({seconds:g} s): look at it, or raise it"
        ) from None
