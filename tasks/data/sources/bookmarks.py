"""Bookmarks: the part of a landed file's name that tells how far its source was read.

A source that is pulled has NUMBER-TIME-DIGEST: which of its files it is, its newest cursor, its content. A stream has
pPARTITION-TOPIC-FIRST-LAST-TIME: offsets, and the time of the newest message; TOPIC is a digest of the topic's name.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from tasks.core.store import sha256

STAMP = "%Y%m%dT%H%M%S%f"
DIGITS, SHORT = 16, 6  # of the digests of a content and of a topic
PULLED = re.compile(rf"(\d{{6,}})-(\d{{8}}T\d{{12}})-([0-9a-f]{{{DIGITS}}})")
STREAMED = re.compile(rf"p(\d+)-([0-9a-f]{{{SHORT}}})-(\d+)-(\d+)-(\d{{8}}T\d{{12}})")
OF_SOURCE = re.compile(rf"[^/]+/[a-z][a-z0-9_]*-({PULLED.pattern}|{STREAMED.pattern})\.parquet")


def is_of_source(name: str) -> bool:
    """Whether a file was landed by a source, whose files come one after the other."""
    return OF_SOURCE.fullmatch(name) is not None


def find_bookmark(name: str) -> str | None:
    """The bookmark in the name of a file that a source landed."""
    found = OF_SOURCE.fullmatch(name)
    return found[1] if found else None


def mark_pulled(number: int, moment: datetime, digest: str) -> str:
    """The bookmark of a file of a source that is pulled.

    Args:
        number: Of the file, from 1 on.
        moment: The newest cursor in it.
        digest: Sixteen hexadecimal digits, by which the same content is known again.
    """
    return f"{number:06}-{moment:{STAMP}}-{digest[:DIGITS]}"


def mark_streamed(topic: str, partition: int, first: int, last: int, moment: datetime) -> str:
    """The bookmark of a file of a stream, with the offsets that it stands for and the time of its newest message."""
    return f"p{partition}-{digest_topic(topic)}-{first:012}-{last:012}-{moment:{STAMP}}"  # in the order of offsets


def digest_topic(topic: str) -> str:
    return sha256(topic.encode())[:SHORT]


def newest_number(bookmarks: Iterable[str]) -> int:
    """The number of the file that a source landed last; 0 before the first."""
    return max((int(match[1]) for match in map(PULLED.fullmatch, bookmarks) if match), default=0)


def next_offsets(bookmarks: Iterable[str], topic: str) -> dict[int, int]:
    """For each partition of a topic the offset after those that were landed."""
    found: dict[int, int] = {}
    for match in map(STREAMED.fullmatch, bookmarks):
        if match and match[2] == digest_topic(topic):
            found[int(match[1])] = max(found.get(int(match[1]), 0), int(match[4]) + 1)
    return found


def newest_moment(bookmarks: Iterable[str]) -> datetime | None:
    """The time up to which files hold what a source has.

    A time to come is none: the clock that it is of may be set right, and later rows lie before it.
    """
    now = datetime.now(UTC)
    moments = [moment for bookmark in bookmarks if (moment := moment_of(bookmark)) and moment <= now]
    return max(moments, default=None)


def moment_of(bookmark: str) -> datetime | None:
    """The time in a bookmark."""
    found = re.search(r"\d{8}T\d{12}", bookmark)
    try:
        return datetime.strptime(found[0], STAMP).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
