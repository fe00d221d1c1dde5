"""What is in quarantine is looked at again after a rule or a source was mended, and goes in once."""

import dataframely as dy
import polars as pl
import pytest
from landings import set_back, take_in_all
from odd_files import make_rows, to_bytes

from project.contract import Flights
from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.tables import read_rows
from tasks.core.use_case import check_tables, load_tables
from tasks.data.ledger import read_current_ledger, read_ledger
from tasks.data.publish import adopt_version, publish_version, refuse_loss
from tasks.data.quarantine import DISMISSED, FILE, QUARANTINE, Chosen, dismiss, read_quarantine
from tasks.data.replay import replay
from tasks.data.validation import validate_rows
from tasks.data.working_copy import place_version
from tasks.features.table import Table


class Farther(Flights):
    """The rule that was too strict is mended."""

    distance = dy.Int16(min=1, max=20_000)


@pytest.fixture
def mended(own_workspace):
    """The tables with the mended rule."""
    tables = load_tables()
    parts = {name: getattr(tables["flights"], name) for name in ("event_time", "outcomes", "outcomes_known_at")}
    return check_tables(tables | {"flights": Table(schema=Farther, **parts)})


def land(workspace, name: str, rows: pl.DataFrame, kind: str = "parquet") -> None:
    path = workspace / "landing" / "flights" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_bytes(rows, kind))
    set_back(path)


def quarantined(chosen: Chosen = Chosen()) -> pl.DataFrame:  # noqa: B008
    return read_quarantine(read_current_ledger(), chosen)


def replay_all(tables, chosen: Chosen = Chosen(), **validation):  # noqa: B008
    params = Params.load()
    params = params.model_copy(update={"validation": params.validation.change(validation)})
    snapshot = adopt_version.fn(params.data)
    landing = replay.fn(snapshot, tables, chosen, params)
    if landing.ledger.height:
        place_version.fn(publish_version.fn(snapshot, landing, "replayed", params))
    return landing


def too_far(number: int, rows: int = 3) -> pl.DataFrame:
    """Flights of which the first are too long for the rule."""
    flights = make_rows(number)
    return flights.with_columns(
        distance=pl.when(pl.int_range(pl.len()) < rows).then(15_000).otherwise("distance").cast(pl.Int16)
    )


def stored(workspace) -> pl.DataFrame:
    return pl.read_parquet(workspace / "data" / "flights" / "2013-01.parquet").filter(carrier="ZZ")


@pytest.mark.parametrize("kind", ["parquet", "csv", "json"])
def test_rows_go_in_after_the_rule_was_mended_and_once(own_workspace, mended, kind):
    land(own_workspace, f"a.{kind}", too_far(1), kind)
    take_in_all()
    assert quarantined()["reason"].to_list() == ["distance|max"] * 3 and stored(own_workspace).height == 17
    assert replay_all(load_tables()).changes == []
    landing = replay_all(mended)
    assert [(change.read, change.added) for change in landing.changes] == [(3, 3)]
    assert quarantined().is_empty()
    assert stored(own_workspace).select(too_far(1).columns).sort("flight").equals(too_far(1))
    assert replay_all(mended).ledger.is_empty()


def test_only_the_rows_of_a_rule_or_of_a_file_are_looked_at(own_workspace, mended):
    land(own_workspace, "a.parquet", too_far(1))
    land(own_workspace, "b.parquet", too_far(2))
    take_in_all()
    assert quarantined(Chosen(rule="origin|regex")).is_empty()
    assert (
        replay_all(mended, Chosen(rule="distance|max", file="flights/b.parquet")).changes[0].file == "flights/b.parquet"
    )
    assert set(quarantined()["file"]) == {"flights/a.parquet"}
    for chosen in (Chosen(rule="origin|regex"), Chosen(file="flights/b.parquet")):
        with pytest.raises(InputError, match="nothing in quarantine fits: `ml quarantine` lists all"):
            replay_all(mended, chosen)


def test_a_version_that_was_made_by_hand_of_one_before_a_replay_takes_no_row_away(own_workspace, mended):
    land(own_workspace, "a.parquet", too_far(1))
    take_in_all()
    before = adopt_version.fn(Params.load().data)
    replay_all(mended)
    with pytest.raises(InputError, match="lacks 3 replayed rows that landed in version .*, such as flights/a.parquet"):
        refuse_loss(before, adopt_version.fn(Params.load().data))


def test_dismissed_entries_are_neither_listed_nor_looked_at_and_stay_in_the_table(own_workspace, mended):
    land(own_workspace, "a.parquet", too_far(1))
    land(own_workspace, "b.parquet", too_far(2))
    land(own_workspace, "c.parquet", too_far(3, 15))
    take_in_all()
    assert dismiss(quarantined(Chosen(file="flights/a.parquet")), "of a test") == 3
    assert dismiss(quarantined(Chosen(file="flights/c.parquet")), "of a test") == 1
    assert set(quarantined()["file"]) == {"flights/b.parquet"} and take_in_all().bad == []
    assert [change.added for change in replay_all(mended).changes] == [3] and quarantined().is_empty()
    assert read_rows(QUARANTINE).height == 7 and set(read_rows(DISMISSED)["reason"]) == {"of a test"}


def test_a_rule_chooses_its_own_rows_alone_which_are_replayed_with_the_rows_that_came_with_them(own_workspace, mended):
    odd = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("??")).otherwise("origin")
    land(own_workspace, "a.parquet", too_far(1).with_columns(origin=odd))
    take_in_all()
    assert quarantined(Chosen(rule="distance|max"))["reason"].to_list() == ["distance|max"] * 3
    (change,) = replay_all(mended, Chosen(rule="distance|max")).changes
    assert (change.read, change.added) == (4, 3)


def test_a_correction_that_landed_meanwhile_is_not_undone_by_an_older_row(own_workspace, mended):
    land(own_workspace, "a.parquet", too_far(1))
    take_in_all()
    land(own_workspace, "b.parquet", make_rows(1).head(3))
    set_back(own_workspace / "landing" / "flights" / "b.parquet", 5)
    take_in_all()
    replay_all(mended)
    assert stored(own_workspace).sort("flight")["distance"].to_list() == [2475] * 20 and quarantined().is_empty()


def test_a_file_that_was_set_aside_goes_in_after_the_setting_was_mended(own_workspace):
    land(own_workspace, "a.parquet", too_far(1, 15))
    land(own_workspace, "b.parquet", make_rows(2))
    assert [bad.file for bad in take_in_all().bad] == ["flights/a.parquet"]
    assert quarantined()["position"].to_list() == [FILE]
    landing = replay_all(load_tables(), max_bad_rows=15)
    assert [(change.added, change.quarantined) for change in landing.changes] == [(5, 15)]
    assert quarantined()["position"].to_list() == list(range(15)) and take_in_all().changes == []


def test_a_file_that_was_set_aside_and_is_gone_is_told(own_workspace):
    land(own_workspace, "a.parquet", too_far(1, 15))
    take_in_all()
    (own_workspace / "landing" / "flights" / "a.parquet").unlink()
    landing = replay_all(load_tables())
    assert landing.changes == [] and "is no longer the file that was set aside: deliver it again" in landing.troubles[0]


def test_rows_found_in_data_leave_the_quarantine_when_the_rule_allows_them(own_workspace, mended, params):
    validate_rows(load_tables(), "flights", too_far(1), params.validation)
    assert quarantined()["file"].to_list() == ["data/"] * 3
    assert replay_all(load_tables()).ledger.is_empty()
    assert replay_all(mended).ledger.height == 3 and quarantined().is_empty()


def test_a_row_that_a_killed_run_quarantined_and_that_is_valid_by_now_is_not_counted_twice(own_workspace, mended):
    land(own_workspace, "a.parquet", too_far(1))
    params = Params.load()
    snapshot = adopt_version.fn(params.data)
    from tasks.data.deliveries import open_news
    from tasks.data.landing import LandingPlace
    from tasks.data.places import Places
    from tasks.data.take_in import take_in

    places = Places(LandingPlace("landing"), {}, params.data.timeout)
    news = open_news(places, load_tables(), read_ledger(snapshot.files))
    take_in.fn(snapshot, load_tables(), news, params)  # and then it is killed
    assert quarantined().height == 3
    take_in_all(mended)
    assert quarantined().is_empty() and stored(own_workspace).height == 20
