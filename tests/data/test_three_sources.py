"""The example of docs/how-to/sources.md: a month of the sample through a database, an API and a stream."""

import json
import re
import time
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import yaml
from apis import running_api
from brokers import as_messages
from landings import take_in_all
from polars.testing import assert_frame_equal

from stack.local_stack import ROOT
from tasks.core.params import Params
from tasks.core.use_case import load_tables
from tasks.data.feature_frame import build_feature_frame
from tasks.data.fetch import read_listing
from tasks.data.publish import adopt_version, keep_object, keep_parquet
from tasks.data.snapshot import Snapshot, cache_folder
from tasks.data.sources.consuming import consuming
from tasks.data.versions import known_versions, record_version

pytestmark = pytest.mark.sample
MARCH, APRIL = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC)
FLIGHTS, WAIT = "flights/2013-03.parquet", 300  # seconds until the test gives up; nothing is measured in them


def example(**addresses: str) -> dict:
    """The declaration of the docs, with the addresses of the servers of this test."""
    text = (ROOT / "docs" / "how-to" / "sources.md").read_text()
    (block,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "kind: stream" in block]
    declared = yaml.safe_load(block)["sources"]
    return {
        name: source
        | ({"servers": addresses["servers"]} if source["kind"] == "stream" else {})
        | ({"url": addresses["url"]} if source["kind"] == "http" else {})
        for name, source in declared.items()
    }


def without_march(snapshot: Snapshot) -> dict[str, pl.DataFrame]:
    """Make a version current that lacks the month, and half of the planes; returns what it lacks."""
    cache = cache_folder()
    listing = read_listing(snapshot.version, cache)
    flights, weather, planes = (
        pl.read_parquet(snapshot.files[name]) for name in (FLIGHTS, "weather.parquet", "planes.parquet")
    )
    march = pl.col("time_hour").is_between(MARCH, APRIL, closed="left")
    listing.pop(FLIGHTS)
    listing["weather.parquet"] = keep_parquet(weather.filter(~march), cache)
    listing["planes.parquet"] = keep_parquet(planes[::2], cache)
    entries = [{"md5": oid, "relpath": name} for name, oid in sorted(listing.items())]
    version = f"{keep_object(json.dumps(entries, sort_keys=True).encode(), cache, '.dir')}.dir"
    assert record_version(version, known_versions(), "adopted", {}, [])
    return {"flights": flights, "weather": weather.filter(march), "planes": planes[1::2]}


def test_features_of_a_month_from_three_sources_are_those_of_files(own_workspace, database, broker, use_case):
    params = Params.load()
    files = adopt_version.fn(params.data)
    rows, topic = without_march(files), f"flights-{time.time_ns()}"
    database.fill("planes", rows["planes"], mode="create")
    with running_api(cursor="time_hour", size=500) as api:
        api.rows, api.style = as_messages(rows["weather"]), "number"
        flights = rows["flights"].sample(fraction=1, shuffle=True, seed=1)
        broker.send(topic, as_messages(flights), flights["tailnum"].fill_null("none"))
        sources = example(servers=broker.servers, url=f"{api.address}/rows")
        sources["departures"]["topic"] = topic
        with consuming(params.model_copy(update={"sources": sources}), load_tables(), None, False, True) as streams:
            give_up = time.monotonic() + WAIT
            while streams.wait(timedelta(seconds=1)):
                assert time.monotonic() < give_up
        landing = take_in_all(sources=sources)
    assert streams.rows == {"departures": flights.height} and landing.troubles == [] and landing.bad == []
    sent = adopt_version.fn(params.data)
    assert sent.version != files.version
    of_files, of_sources = (
        build_feature_frame.fn(version, use_case, APRIL, MARCH, params.validation)[0] for version in (files, sent)
    )
    assert of_files.height > 20_000
    assert_frame_equal(of_files, of_sources, check_exact=True)
