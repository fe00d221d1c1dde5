"""One line of data versions: numbered entries, the newest is current, an older one is made current by an entry."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from landings import set_back, take_in_all
from odd_files import make_rows, to_bytes

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.tables import insert_new
from tasks.data.fetch import object_path
from tasks.data.lateness import find_unusual
from tasks.data.publish import keep_object, make_current
from tasks.data.snapshot import resolve_version
from tasks.data.versions import DATA_VERSIONS, known_versions, parse_version, read_versions, record_version


def land(workspace, number: int) -> None:
    path = workspace / "landing" / "flights" / f"{number}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_bytes(make_rows(number)))
    set_back(path)


def in_place(workspace) -> str:
    """The version that data.dvc names."""
    return parse_version((workspace / "data.dvc").read_text())


def test_the_first_ingest_adopts_the_version_of_data_dvc_and_each_landing_is_an_entry(own_workspace):
    first = resolve_version(None)
    for number in (1, 2):
        land(own_workspace, number)
        take_in_all()
    adopted, landed, newest = read_versions()
    assert (adopted.number, adopted.version, adopted.before, adopted.kind) == (1, first, None, "adopted")
    assert (landed.kind, landed.before, newest.before) == ("landed", first, landed.version)
    assert newest.changes["flights"] == {
        **dict.fromkeys(("quarantined", "unchanged", "late_labels", "corrections"), 0),
        **dict.fromkeys(("read", "added"), 20),
    }
    assert [file["file"] for file in newest.files] == ["flights/2.parquet"] and len(newest.files[0]["digest"]) == 64
    assert in_place(own_workspace) == newest.version == resolve_version(None)


def test_an_older_data_dvc_changes_nothing_until_the_version_is_made_current(own_workspace, capsys):
    first = (own_workspace / "data.dvc").read_text()
    land(own_workspace, 1)
    take_in_all()
    landed = in_place(own_workspace)
    (own_workspace / "data.dvc").write_text(first)
    assert resolve_version(None) == landed
    assert f"an older one: version {landed} is current (`ml versions use` changes it)" in capsys.readouterr().out
    assert make_current(None, Params.load().data) == parse_version(first) == resolve_version(None)
    assert not (own_workspace / "data" / "_ingest" / "ledger.parquet").exists()
    assert [version.kind for version in read_versions()] == ["adopted", "landed", "used"]
    assert len(take_in_all().changes) == 1 and resolve_version(None) == landed
    make_current("1", Params.load().data)
    make_current(landed[:8], Params.load().data)
    assert in_place(own_workspace) == landed
    with pytest.raises(InputError, match="'beef' means 0 data versions: `ml versions` lists them"):
        make_current("beef", Params.load().data)


def test_what_dvc_add_made_is_current_at_once_and_adopted_by_the_next_ingest(own_workspace):
    land(own_workspace, 1)
    take_in_all()
    planes = own_workspace / "data" / "planes.parquet"
    pl.read_parquet(planes).head(100).write_parquet(planes)
    (own_workspace / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    subprocess.run([sys.executable, "-m", "dvc", "add", "-q", "data"], cwd=own_workspace, check=True)
    by_hand = in_place(own_workspace)
    assert resolve_version(None) == by_hand
    assert take_in_all().changes == []
    assert [(version.kind, version.version) for version in read_versions()][2:] == [("adopted", by_hand)]


def test_what_dvc_add_made_of_an_older_version_takes_nothing_that_landed_away(own_workspace):
    first = (own_workspace / "data.dvc").read_text()
    land(own_workspace, 1)
    take_in_all()
    (own_workspace / "data.dvc").write_text(first.replace(parse_version(first), make_older(own_workspace)))
    with pytest.raises(InputError, match=r"which lacks 1 file that landed in version .*, such as flights/1.parquet"):
        take_in_all()
    make_current(None, Params.load().data)
    assert read_versions()[-1].kind == "adopted" and len(take_in_all().changes) == 1


def make_older(workspace) -> str:
    """A version of the files of the first one but one."""
    cache = workspace / ".dvc" / "cache" / "files" / "md5"
    listing = json.loads(object_path(known_versions()[0], cache).read_bytes())
    return f"{keep_object(json.dumps(listing[1:]).encode(), cache, '.dir')}.dir"


def test_of_two_who_make_a_version_at_once_one_is_second_and_takes_in_again(own_workspace):
    land(own_workspace, 1)
    take_in_all()
    known = known_versions()
    assert record_version("a.dir", known, "landed", {}, []) and not record_version("b.dir", known, "landed", {}, [])
    assert known_versions() == [*known, "a.dir"]


def test_a_lost_data_dvc_is_that_of_the_newest_version(own_workspace):
    land(own_workspace, 1)
    take_in_all()
    newest = in_place(own_workspace)
    (own_workspace / "data.dvc").unlink()
    shutil.rmtree(own_workspace / "data")
    assert resolve_version(None) == newest
    take_in_all()
    assert in_place(own_workspace) == newest and (own_workspace / "data" / "flights" / "2013-01.parquet").is_file()


def landed_before(*rows: int, every: timedelta, last: timedelta) -> None:
    """Landings of so many flights, one after the other, the last a while ago."""
    newest = datetime.now(UTC) - last
    versions = [
        {"number": number + 1, "version": "v", "kind": "landed", "made_at": newest - every * (len(rows) - 1 - number)}
        | {"by": "Ada", "changes": json.dumps({"flights": {"read": count}}), "files": "[]"}
        for number, count in enumerate(rows)
    ]
    insert_new(DATA_VERSIONS, pl.DataFrame(versions))


def test_a_table_is_late_when_nothing_came_for_longer_than_usual(own_workspace):
    landed_before(*[100] * 8, every=timedelta(days=1), last=timedelta(days=4))
    (late,) = find_unusual(3.0)
    assert late.event == "data.late" and late.reason.endswith("UTC, usually every 24 hours")
    assert find_unusual(5.0) == [] and find_unusual(None) == []


def test_a_landing_of_another_size_than_usual_is_told(own_workspace):
    landed_before(*[1000] * 8, 12, every=timedelta(days=1), last=timedelta(hours=1))
    (small,) = find_unusual(3.0)
    assert (small.event, small.reason) == ("data.unusual", "12 rows of flights landed, usually 1,000")
