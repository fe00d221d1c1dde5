"""Tables: each row once, whoever writes it, in a folder of any name or on S3."""

import os
from datetime import UTC, date, datetime

import polars as pl
import pytest
from kills import run_together
from stores import use_workspace

from tasks.core.errors import InputError
from tasks.core.store import Store
from tasks.core.tables import Table, as_json, compact, insert_new, read_rows, tidy_table
from tasks.data.landing import LandingPlace

NUMBERS = Table(
    "numbers",
    {"model": pl.String, "day": pl.Date, "key": pl.String, "by": pl.Int64, "made_at": pl.Datetime("us", "UTC")},
    key=("model", "day", "key"),
    partition=("model", "day"),
)
DAYS = [date(2013, 4, day) for day in (1, 2, 3)]


def rows(count: int, by: int = 0, model: str = "m") -> pl.DataFrame:
    days = [DAYS[number % len(DAYS)] for number in range(count)]
    return pl.DataFrame({"model": model, "day": days, "key": [str(number) for number in range(count)], "by": by})


def insert_often(folder, by: int, environment: dict[str, str]) -> None:
    """Insert rows that others insert at the same time, too; one of them compacts meanwhile."""
    os.environ.update(environment)
    use_workspace(folder)
    for count in range(1, 30):
        insert_new(NUMBERS, rows(count, by))
        if by == 0 and count % 10 == 0:
            compact(NUMBERS)


def insert_together(*folders) -> list[int | None]:
    return run_together(insert_often, [(folder, by, dict(os.environ)) for by, folder in enumerate(folders)])


def test_a_row_goes_in_once_and_the_first_one_stays(store):
    assert read_rows(NUMBERS).is_empty()
    assert insert_new(NUMBERS, pl.concat([rows(5, by=1), rows(3, by=2)])) == 5
    assert insert_new(NUMBERS, rows(7, by=3)) == 2
    assert read_rows(NUMBERS, "model = 'm'", ["by"])["by"].value_counts().sort("by").rows() == [(1, 5), (3, 2)]
    assert insert_new(NUMBERS, rows(7, model="it's")) == 7 and insert_new(NUMBERS, rows(0)) == 0
    assert read_rows(NUMBERS)["made_at"].null_count() == 14


def test_a_row_without_its_key_is_a_mistake_of_the_code(store):
    with pytest.raises(AssertionError, match="a key of numbers is null"):
        insert_new(NUMBERS, rows(2).with_columns(key=pl.lit(None)))


def test_only_the_days_that_are_asked_for_are_read(store):
    insert_new(NUMBERS, rows(9))
    assert set(read_rows(NUMBERS, "day >= '2013-04-02'")["day"]) == set(DAYS[1:])


@pytest.mark.parametrize("name", ["a b", "ü", "50%", "#1", "what?", "it's", "a+b"])
def test_a_store_may_lie_in_a_folder_of_any_name(own_workspace, name):
    folder = use_workspace(own_workspace.rename(own_workspace.with_name(name)))
    assert insert_new(NUMBERS, rows(5)) == 5 and read_rows(NUMBERS).height == 5
    tidy_table(NUMBERS)
    assert read_rows(NUMBERS).height == 5 and (folder / "store" / "numbers" / "_delta_log").is_dir()


@pytest.mark.parametrize("name", ["[x]", "a%20b"])
def test_the_characters_that_the_library_cannot_bear_are_named(own_workspace, name):
    use_workspace(own_workspace.rename(own_workspace.with_name(name)))
    with pytest.raises(InputError, match=r"store: .*: tables cannot lie in a folder with \[, \] or such as %20 in its"):
        read_rows(NUMBERS)


@pytest.mark.parametrize("address", ["", " ", "127.0.0.1:9000", "me:SECRET@host:9000", "ftp://host"])
def test_an_endpoint_that_is_no_address_is_told_and_never_shown(own_workspace, address, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    for use in (lambda: Store("s3://bucket/prefix"), lambda: LandingPlace("s3://bucket/landing")):
        with pytest.raises(InputError, match="AWS_ENDPOINT_URL must begin with http:// or https://") as told:
            use()
        assert "SECRET" not in str(told.value)


def test_two_processes_insert_each_row_once_beside_a_third_that_compacts(own_workspace):
    assert insert_together(*[own_workspace] * 3) == [0, 0, 0]
    assert sorted(map(int, read_rows(NUMBERS)["key"])) == list(range(29))


@pytest.mark.slow
def test_two_machines_on_one_s3_store_insert_each_row_once(s3_store, two_workspaces):
    assert insert_together(*two_workspaces) == [0, 0]
    for folder in two_workspaces:
        use_workspace(folder)
        assert sorted(map(int, read_rows(NUMBERS)["key"])) == list(range(29))
        assert not (folder / "store").exists()


def test_a_damaged_part_is_named(store):
    insert_new(NUMBERS, rows(1))
    (file,) = store.glob("numbers/**/*c000*.parquet")
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(InputError, match=rf"store/numbers cannot be used: .*{file.name}.* restore"):
        read_rows(NUMBERS)


def test_an_endpoint_that_is_down_is_one_sentence(s3_store, monkeypatch, own_workspace):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for attempt in (lambda: read_rows(NUMBERS), lambda: insert_new(NUMBERS, rows(1))):
        with pytest.raises(
            InputError, match=r"the table s3://.*/numbers at http.*:9 .* cannot be used: .* AWS_\* variables"
        ):
            attempt()


def test_a_row_as_json_does_not_change_with_the_types_of_its_columns():
    time = datetime(2013, 4, 1, 5, tzinfo=UTC)
    narrow = pl.DataFrame({"n": [7], "at": [time], "day": [DAYS[0]], "name": ['ü "x"'], "none": [None]})
    wide = narrow.with_columns(pl.col("n").cast(pl.Int8), pl.col("at").dt.cast_time_unit("ms"))
    assert as_json(narrow).to_list() == as_json(wide.select(reversed(wide.columns))).to_list()
    odd = pl.DataFrame({"x": [1.5, float("inf")], "bytes": [b"\x00\xff", None]})
    assert as_json(odd).to_list() == ['{"bytes":"00ff","x":"1.5"}', '{"bytes":null,"x":"inf"}']
    text = '{"at":"2013-04-01T05:00:00.000000+00:00","day":"2013-04-01","n":7,"name":"ü \\"x\\"","none":null}'
    assert as_json(narrow).to_list() == [text]
