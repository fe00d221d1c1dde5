"""Landing in a workspace of a test's own, without a server."""

import os
import time
from pathlib import Path

from tasks.core.params import Params
from tasks.core.use_case import load_tables
from tasks.data.deliveries import open_news
from tasks.data.ledger import read_ledger
from tasks.data.publish import adopt_version, publish_version
from tasks.data.sources.declared import open_places
from tasks.data.sources.reading import read_sources
from tasks.data.take_in import Landing, join_landings, take_in
from tasks.data.working_copy import place_version, refuse_edits


def take_in_all(tables=None, sources=None, **changes) -> Landing:
    """What flows/ingest.py does, with some settings of `ingest`, `validation` and `data` changed."""
    params, tables = Params.load(), tables or load_tables()
    parts = {
        part: {k: v for k, v in changes.items() if k in type(getattr(params, part)).model_fields}
        for part in ("ingest", "validation", "data")
    }
    changed: dict = {part: getattr(params, part).change(given) for part, given in parts.items()}
    params = params.model_copy(update=changed | {"sources": sources or {}})
    ledger = read_ledger(adopt_version.fn(params.data).files)
    landings = []
    for part in read_sources(params, tables, ledger):
        landing = take_in_once(params, tables, part.unread)
        landing.troubles.extend(part.troubles)
        landings.append(landing)
    joined = join_landings(landings)
    return joined if len(landings) > 1 else landings[0]


def take_in_once(params: Params, tables, unread) -> Landing:
    """Take in what lies there."""
    while True:
        snapshot = adopt_version.fn(params.data)
        refuse_edits()
        news = open_news(open_places(params, tables), tables, read_ledger(snapshot.files), unread)
        landing = take_in.fn(snapshot, tables, news, params)
        published = publish_version.fn(snapshot, landing, "landed", params) if landing.changes else snapshot
        if published:
            place_version.fn(published)
            return landing


def set_back(path: Path, seconds: float = 60) -> None:
    """Let a file be modified so long ago, so that nobody waits for its end."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))
