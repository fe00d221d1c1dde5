"""The window of a check: 28 days that end on the first of a month."""

from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from pydantic import Field

LENGTH = timedelta(days=28)
WindowName = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Window(NamedTuple):
    """Event times in [start, end)."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """How records and events call it: the day it ends."""
        return f"{self.end:%Y-%m-%d}"


def newest_window(as_of: datetime) -> Window:
    """The newest window that is over at as_of."""
    end = as_of.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Window(end - LENGTH, end)
