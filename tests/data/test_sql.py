"""A database as a source: what is new lands once, also late, corrected, or after a crash; what is odd is told."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from landings import take_in_all
from meters import START, TABLES, frame, reading, stored

SOURCE = {"kind": "sql", "table": "readings", "cursor": "updated_at", "start": "2013-05-01", "lag": "1h"}
TABLE = "create table readings (meter int, at timestamptz, value int, note text, updated_at timestamptz, odd jsonb)"


@pytest.fixture
def pull(own_workspace, database):
    """Call it to read the source and take in what landed; settings of the source may be changed."""
    database.run(TABLE)
    return lambda **changes: take_in_all(TABLES, {"meters": SOURCE | changes})


def landed(workspace):
    return sorted(path.name for path in (workspace / "landing" / "readings").glob("*"))


def test_what_is_new_lands_and_an_unchanged_overlap_does_not(pull, database, own_workspace):
    database.fill("readings", frame([reading(n) for n in range(100)]))
    assert pull().changes[0].added == 100
    assert pull().changes == [] and len(landed(own_workspace)) == 1
    database.fill("readings", frame([reading(n) for n in range(100, 110)]))
    change = pull().changes[0]
    assert (change.added, change.corrections) == (10, 0)
    assert stored(own_workspace) == {(1, n): n for n in range(110)}


def test_a_row_that_was_committed_late_is_found_within_lag(pull, database, own_workspace):
    database.fill("readings", frame([reading(n) for n in range(0, 100, 2)]))
    pull()
    database.fill("readings", frame([reading(61), reading(3)]))  # the newest is 98: 61 is within the hour, 3 is not
    assert pull().changes[0].added == 1
    assert (1, 61) in stored(own_workspace) and (1, 3) not in stored(own_workspace)
    assert pull(lag="2h").changes[0].added == 1


@pytest.mark.slow
def test_a_correction_arrives_and_so_does_its_return_to_the_old_value(pull, database, own_workspace):
    database.fill("readings", frame([reading(n) for n in range(10)]))
    pull()
    for value in (500, 5, 500, 5):
        database.run(f"update readings set value = {value} where note = 'n5'")
        change = pull().changes[0]
        assert (change.added, change.corrections) == (0, 1) and stored(own_workspace)[1, 5] == value


@pytest.mark.slow
def test_a_first_read_goes_by_windows_and_goes_on_where_it_stopped(pull, database, own_workspace):
    database.fill("readings", frame([reading(n * 60) for n in range(500)]))
    assert len(pull(window="100h").changes) == 5
    (own_workspace / "landing" / "readings" / landed(own_workspace)[-1]).unlink()
    (again,) = pull(window="100h").changes  # what was taken in is remembered; its last hour lands again, once
    assert again.read == again.unchanged == 2 and pull(window="100h").changes == []
    assert len(stored(own_workspace)) == 500


@pytest.mark.slow
def test_a_clock_that_is_moved_back_loses_no_correction(pull, database, own_workspace):
    database.fill("readings", frame([reading(n) for n in range(10)]))
    pull()
    ahead = (datetime.now(UTC) + timedelta(days=1)).timestamp()  # as if the clock had been a day ahead then
    for path in (own_workspace / "landing" / "readings").glob("*"):
        os.utime(path, (ahead, ahead))
    for value in (100, 200):
        database.run(f"update readings set value = {value} where note = 'n5'")
        assert pull().changes[0].corrections == 1 and stored(own_workspace)[1, 5] == value


@pytest.mark.slow
def test_a_cursor_in_the_future_does_not_hide_what_comes_before_it(pull, database, own_workspace):
    database.fill("readings", frame([reading(1), reading(2, updated_at=datetime(2199, 1, 1, tzinfo=UTC))]))
    pull()
    database.fill("readings", frame([reading(3)]))
    pull()
    assert set(stored(own_workspace)) == {(1, 1), (1, 2), (1, 3)} and pull().changes == []


@pytest.mark.slow
def test_without_a_cursor_all_is_read_and_lands_when_it_changed(pull, database, own_workspace):
    whole = {"cursor": None, "start": None}
    database.fill("readings", frame([reading(1), reading(2)]))
    assert pull(**whole).changes[0].added == 2 and pull(**whole).changes == []
    database.run("update readings set value = 7 where note = 'n1'")
    assert pull(**whole).changes[0].corrections == 1 and stored(own_workspace)[1, 1] == 7
    assert pull(**whole).changes == []
    database.run("update readings set value = 1 where note = 'n1'")
    assert pull(**whole).changes[0].corrections == 1 and stored(own_workspace)[1, 1] == 1
    assert pull(**whole).changes == []


@pytest.mark.slow
def test_of_several_states_of_a_row_the_newest_counts(pull, database, own_workspace):
    states = [reading(1, value, updated_at=START + timedelta(minutes=value)) for value in (3, 9, 5)]
    database.fill("readings", frame(states))
    pull()
    assert stored(own_workspace) == {(1, 1): 9}


def test_numeric_json_arrays_and_days_are_read_as_the_contract_says(pull, database, own_workspace):
    query = """select meter::numeric as meter, at, value::numeric(12, 4) as value, updated_at,
      (array[1, 2])::text as note from readings"""
    database.fill("readings", frame([reading(1, 12)]))
    assert pull(query=query).changes[0].added == 1 and stored(own_workspace) == {(1, 1): 12}
    jsons = "select meter, at, value, updated_at, '{\"a\": 1}'::jsonb as note from readings"
    database.run("update readings set value = 13")
    assert pull(query=jsons).changes[0].corrections == 1
    arrays = "select meter, at, value, updated_at, array[1, 2] as note from readings"
    told = "source meters: note is List(Int32), but project/contract.py declares String"
    assert told in pull(query=arrays).troubles[0]


def test_a_fraction_and_a_null_key_are_bad_rows_and_keep_no_other_out(pull, database, own_workspace):
    database.run("alter table readings alter value type numeric")
    database.fill("readings", frame([reading(n) for n in range(20)]))
    database.run(
        "update readings set value = 3.5 where note = 'n3'", "update readings set meter = null where note = 'n4'"
    )
    change = pull().changes[0]
    assert (change.added, change.quarantined) == (18, 2)


@pytest.mark.slow
def test_times_without_a_zone_are_of_the_zone_that_is_named_whatever_the_session_says(pull, database, own_workspace):
    database.run(
        "alter database current_database_name set timezone to 'Asia/Tokyo'".replace(
            "current_database_name", database.uri.rpartition("/")[2]
        )
    )
    database.fill("readings", frame([reading(n) for n in range(5)]))
    naive = "select meter, at, value, note, updated_at at time zone 'Europe/Berlin' as updated_at from readings"
    assert "is a time without a zone" in pull(query=naive).troubles[0]
    sources = {"meters": SOURCE | {"query": naive, "start": "2013-05-01T00:02"}}
    take_in_all(TABLES, sources, time_zone="Europe/Berlin")
    assert set(stored(own_workspace)) == {(1, n) for n in range(2, 5)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("alter table readings drop column note", 'the database refuses: column "note" does not exist'),
        ("alter table readings rename value to amount", 'column "value" does not exist'),
        (
            "alter table readings alter value type boolean using true",
            "value is Boolean, but project/contract.py declares Int32",
        ),
        ("alter table readings rename updated_at to changed_at", 'column "updated_at" does not exist'),
        ("drop table readings", 'relation "readings" does not exist'),
    ],
)
def test_a_schema_that_changed_under_way_is_told_and_the_next_run_goes_on(
    change, sentence, pull, database, own_workspace
):
    database.fill("readings", frame([reading(n) for n in range(5)]))
    pull()
    database.run(change)
    landing = pull()
    assert (
        landing.changes == [] and landing.troubles[0].startswith("source meters: ") and sentence in landing.troubles[0]
    )
    database.run("drop table if exists readings", TABLE)
    database.fill("readings", frame([reading(n) for n in range(10)]))
    assert pull().changes[0].added == 5


def test_what_was_read_again_lands_only_where_it_changed(pull, database, own_workspace):
    database.fill("readings", frame([reading(n) for n in range(50)] + [reading(50, 9_999_999)]))
    assert pull().changes[0].quarantined == 1
    database.run("update readings set value = 7 where note = 'n9'")
    database.fill("readings", frame([reading(60)]))
    change = pull().changes[0]
    assert (change.read, change.added, change.corrections, change.quarantined) == (2, 1, 1, 0)


@pytest.mark.slow
def test_a_state_that_comes_back_with_its_old_cursor_arrives(pull, database, own_workspace):
    database.fill("readings", frame([reading(n) for n in range(10)]))
    pull()
    for value, minute in ((500, 14), (9, 9), (500, 14), (9, 9)):
        moment = START + timedelta(minutes=minute)
        database.run(f"update readings set value = {value}, updated_at = '{moment.isoformat()}' where note = 'n9'")
        assert pull().changes[0].corrections == 1 and stored(own_workspace)[1, 9] == value


@pytest.mark.slow
def test_times_of_no_calendar_are_bad_rows_and_stop_nothing(pull, database, own_workspace):
    database.fill("readings", frame([reading(n) for n in range(30)]))
    database.run("update readings set at = 'infinity' where note = 'n3'")
    database.run("update readings set updated_at = 'infinity' where note = 'n4'")
    database.run("update readings set at = '-infinity' where note = 'n29'")
    landing = pull()
    assert landing.troubles == [] and sum(change.quarantined for change in landing.changes) == 2
    assert len(stored(own_workspace)) == 28 and pull().changes == []


@pytest.mark.slow
def test_a_day_is_the_midnight_of_the_zone_that_is_named(database, own_workspace):
    database.run(TABLE.replace("updated_at timestamptz", "updated_at date"))
    database.run("insert into readings values (1, '2013-05-01T00:00Z', 1, 'x', '2013-07-03')")
    sources = {"meters": SOURCE}
    zone = {"time_zone": "Europe/Berlin"}
    day = TABLES["readings"]
    from dataclasses import replace

    tables = {"readings": replace(day, dates=["updated_at"])}
    assert take_in_all(tables, sources, **zone).changes[0].added == 1
    database.run("insert into readings values (1, '2013-05-01T00:01Z', 1, 'y', '2013-07-03')")
    assert take_in_all(tables, sources, **zone).changes[0].added == 1
    database.run("insert into readings values (1, '2013-05-01T00:02Z', 1, 'z', 'infinity')")
    endless = take_in_all(tables, sources, **zone)
    assert endless.troubles == endless.bad == [] and sum(change.quarantined for change in endless.changes) == 1


@pytest.mark.slow
def test_types_that_come_as_bytes_are_refused_with_the_mend(pull, database):
    database.fill("readings", frame([reading(1)]))
    (told,) = pull(query="select meter, at, value, updated_at, '10.0.0.1'::inet as note from readings").troubles
    assert told == "source meters: note is of the type inet, which cannot be read: cast it to text in a query"
    assert pull(query="select meter, at, value, updated_at, gen_random_uuid() as note from readings -- all").changes


def test_an_added_column_changes_nothing(pull, database, own_workspace):
    database.fill("readings", frame([reading(1)]))
    database.run("alter table readings add more money default 3")
    assert pull().changes[0].added == 1 and pull(query="select * from readings").changes == []


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("", "the variable DATABASE_URL is not set: it must hold the address of the database of source meters"),
        ("postgresql://nobody:s3cr3t@127.0.0.1:{port}/postgres", 'role "nobody" does not exist'),
        ("postgresql://postgres:s3cr3t@127.0.0.1:{port}/none", 'database "none" does not exist'),
        ("postgresql://postgres:s3cr3t@127.0.0.1:1/postgres", "Connection refused"),
        (
            "postgresql://postgres:s3cr3t@127.0.0.1:{port}/postgres?s3cr3t=1",
            "look at the server and the variable DATABASE_URL",
        ),
        ("s3cr3t", "look at the server and the variable DATABASE_URL"),
        ("postgresql://postgres:s3cr/3t@127.0.0.1/postgres", "its address cannot be used"),
        ("postgresql://postgres:x@s3cr3t@127.0.0.1/postgres", "could not translate host name"),
        ("host=127.0.0.1 port=1 password=s3cr3t", "Connection refused"),
    ],
)
def test_wrong_credentials_are_told_without_the_secret(uri, sentence, pull, postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", uri.format(port=postgres.port))
    (told,) = pull().troubles
    assert sentence in told and "s3cr3t" not in told and "\n" not in told


@pytest.mark.slow
def test_a_query_that_takes_too_long_is_given_up(pull, database):
    (told,) = pull(query="select *, pg_sleep(60) from readings, (select 1) as one", patience="1s").troubles or [""]
    assert told == ""  # there are no rows, so nothing sleeps
    database.fill("readings", frame([reading(1)]))
    (told,) = pull(query="select readings.*, pg_sleep(60) from readings", patience="1s").troubles
    assert "the query took longer than patience" in told


@pytest.mark.slow
def test_deleted_rows_are_told_where_rows_are_counted(own_workspace, database):
    from tasks.core.params import Params
    from tasks.data.publish import adopt_version
    from tasks.data.sources.counts import find_deleted

    database.run(TABLE)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [reading(n, updated_at=today - timedelta(days=n % 3)) for n in range(30)]
    database.fill("readings", frame(rows))
    sources = {"meters": SOURCE | {"count": "30d"}}
    take_in_all(TABLES, sources)
    params = Params.load().model_copy(update={"sources": sources})
    snapshot = adopt_version.fn(params.data)
    assert find_deleted(params, TABLES, snapshot) == []
    database.run(
        "delete from readings where note in ('n3', 'n4')", "update readings set updated_at = now() where note = 'n5'"
    )
    (found,) = find_deleted(params, TABLES, snapshot)
    assert found.event == "data.unusual" and found.reason.startswith(
        "2 rows of readings or more were deleted at source meters"
    )
