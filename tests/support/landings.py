"""Landing in a workspace of a test's own, without a server."""

import os
import time
from pathlib import Path

from tasks.core.params import Params
from tasks.core.use_case import load_tables
from tasks.data.deliveries import open_news
from tasks.data.landing import LandingPlace
from tasks.data.ledger import read_ledger
from tasks.data.publish import adopt_version, publish_version
from tasks.data.take_in import Landing, take_in
from tasks.data.working_copy import place_version, refuse_edits


def take_in_all(tables=None, **changes) -> Landing:
    """What flows/ingest.py does, with some settings of `ingest` and `validation` changed."""
    params, tables = Params.load(), tables or load_tables()
    parts = {
        part: {k: v for k, v in changes.items() if k in type(getattr(params, part)).model_fields}
        for part in ("ingest", "validation")
    }
    params = params.model_copy(update={part: getattr(params, part).change(given) for part, given in parts.items()})
    while True:
        snapshot = adopt_version.fn(params.data)
        refuse_edits()
        place = LandingPlace(params.ingest.source)
        news = open_news(place, tables, read_ledger(snapshot.files), params.data.timeout)
        landing = take_in.fn(snapshot, tables, news, params)
        published = publish_version.fn(snapshot, landing, "landed", params) if landing.changes else snapshot
        if published:
            place_version.fn(published)
            return landing


def set_back(path: Path, seconds: float = 60) -> None:
    """Let a file be modified so long ago, so that nobody waits for its end."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))
