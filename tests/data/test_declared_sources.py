"""Sources as params.yaml declares them: folders of others, secrets that are refused, and how all of them are."""

import json
import os
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from apis import running_api
from landings import set_back, take_in_all
from meters import TABLES, as_json, frame, reading, stored

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.secrets import hide, refuse_secrets
from tasks.data.deliveries import waiting
from tasks.data.formats import Raw
from tasks.data.landing import LandingPlace
from tasks.data.ledger import SCHEMA
from tasks.data.sources.bookmarks import mark_pulled
from tasks.data.sources.fit import broken_rules, fit_columns, undeclared
from tasks.data.sources.landed import Landed
from tasks.data.sources.overview import look_at_sources

SECRET = "s3cr3t"


def fill(folder, *files: list) -> None:
    """A file in a folder for each list of numbers of readings."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, numbers in enumerate(files):
        frame([reading(n) for n in numbers]).write_parquet(folder / f"{number}.parquet")
        set_back(folder / f"{number}.parquet")


def test_a_folder_of_others_is_taken_in_where_it_lies(own_workspace):
    fill(own_workspace / "theirs" / "region=north", range(5), range(5, 9))
    sources = {"exports": {"kind": "files", "table": "readings", "path": "theirs"}}
    landing = take_in_all(TABLES, sources)
    names = ["readings/exports:/region=north/0.parquet", "readings/exports:/region=north/1.parquet"]
    assert [change.file for change in landing.changes] == names and len(stored(own_workspace)) == 9
    assert take_in_all(TABLES, sources).changes == [] and not (own_workspace / "landing" / "readings").exists()
    (own_workspace / "theirs" / "bad.csv").write_text("meter\n1\n")
    set_back(own_workspace / "theirs" / "bad.csv")
    (bad,) = take_in_all(TABLES, sources).bad
    assert bad.file == "readings/exports:/bad.csv" and "exports:/bad.csv lacks the column" in bad.reason


def test_a_bucket_of_others_is_taken_in_and_a_source_lands_on_s3(own_workspace, s3_store, endpoint):
    from fsspec.core import url_to_fs

    files, _ = url_to_fs("s3://shared/x")
    content = own_workspace / "one.parquet"
    frame([reading(n) for n in range(5)]).write_parquet(content)
    files.pipe_file("shared/theirs/one.parquet", content.read_bytes())
    with running_api() as api:
        api.style, api.rows = "none", [as_json(reading(n, meter=2)) for n in range(7)]
        sources = {
            "exports": {"kind": "files", "table": "readings", "path": "s3://shared/theirs"},
            "meters": {"kind": "http", "table": "readings", "url": f"{api.address}/rows"},
        }
        assert len(take_in_all(TABLES, sources, landing="s3://shared/landing").changes) == 2
        assert take_in_all(TABLES, sources, landing="s3://shared/landing").changes == []
        api.rows += [as_json(reading(9, meter=2))]
        assert take_in_all(TABLES, sources, landing="s3://shared/landing").changes[0].added == 1
    assert len(stored(own_workspace)) == 13
    assert len(files.find("shared/landing/readings")) == 2


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "gs://bucket/x",
            "sources.exports: path: gs://bucket/x is neither a folder nor s3://bucket/prefix",
        ),
        ("nowhere", "path of source exports names nowhere, but there is no such folder"),
        (".", "sources.exports.path: . and landing, where files land, overlap"),
        ("landing/readings", "overlap"),
        ("s3://no-such-bucket/x", "there is no such bucket"),
    ],
)
def test_a_folder_that_cannot_be_read_is_told_and_others_land(path, sentence, own_workspace, s3_store):
    fill(own_workspace / "landing" / "readings", range(5))
    landing = take_in_all(TABLES, {"exports": {"kind": "files", "table": "readings", "path": path}})
    assert landing.changes[0].added == 5 and any(sentence in told for told in landing.troubles)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": f"https://me:{SECRET}@host/x"},
        {"url": f"https://host/x?api_key={SECRET}"},
        {"url": f"https://host/x?a=1&Token={SECRET}"},
        {"uri": f"postgresql://me:{SECRET}@host/db"},
        {"uri_from": f"postgresql://me:{SECRET}@host/db"},
        {"uri_from": f"host=db password={SECRET}"},
        {"query": f"select * from dblink('password={SECRET}')"},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"headers": {"X-Api-Key": SECRET}},
        {"params": {"access_token": SECRET}},
        {"options": {"sasl.password": SECRET}},
        {"options": {"ssl.key.password": SECRET}},
        {"options_from": {"sasl.password": f"{SECRET} is not a name"}},
        {"password": 12345},
        {"headers": {"Proxy-Authorization": "x"}},
        {"headers": {"X-Trace": f"Bearer {SECRET}"}},
        {"headers": {"Ocp-Apim-Subscription-Key": SECRET}},
        {"params": {"key": SECRET}},
        {"params": {"appid": SECRET}},
        {"url": f"https://host/x?client_secret={SECRET}"},
        {"url": f"https://host/x?X-Amz-Signature={SECRET}"},
        {"url": f"https://host/x?key={SECRET}"},
        {"options": {"ssl.key.pem": SECRET}},
        {"options": {"sasl.oauthbearer.config": f"principal=x client_secret={SECRET}"}},
        {"servers": f"me:{SECRET}@host:9092"},
        {"password": {"value": SECRET}},
        {"uri_from": SECRET},
        {"deep": [{"er": {"client_secret": SECRET}}]},
    ],
)
def test_a_secret_in_params_yaml_is_refused_and_not_repeated(settings, own_workspace, monkeypatch):
    with pytest.raises(ValueError, match="secret|name of a variable") as refused:
        refuse_secrets(settings)
    monkeypatch.setenv("PARAMS_SOURCES__ORDERS", json.dumps({"kind": "sql", "table": "readings"} | settings))
    with pytest.raises(InputError) as told:
        Params.load()
    assert SECRET not in str(refused.value) + str(told.value) and "12345" not in str(told.value)


def test_what_is_no_secret_is_not_refused():
    refuse_secrets({"headers": {"Accept": "application/json"}, "next": "next_token", "pages": "token", "user": "me"})
    refuse_secrets({"options": {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "me"}})
    refuse_secrets({"params": {"sort_key": "id", "monkey": "1"}, "url": "https://host/x?monkey=1&author=me"})
    refuse_secrets({"uri_from": "DATABASE_URL", "headers_from": {"Authorization": "API_AUTH"}, "start": None})


def test_secrets_are_hidden_in_what_libraries_say():
    uri = f"postgresql://me:{SECRET}@host/db"
    assert hide(f"cannot connect to {uri} with {SECRET}", uri) == "cannot connect to *** with ***"
    assert hide(f"password={SECRET} host=h: bad", f"host=h password={SECRET}") == "password=*** host=h: bad"


@pytest.mark.parametrize("name", ["Orders", "my-orders", "1st", "", "a" * 41, "../x"])
def test_a_name_that_cannot_begin_a_file_name_is_refused(name, own_workspace):
    with pytest.raises(ValueError, match="cannot be the name of a source"):
        Params(sources={name: {"kind": "sql", "table": "readings"}})


def test_files_of_a_table_wait_for_the_tables_that_they_refer_to():
    from dataclasses import replace

    readings = TABLES["readings"]
    tables = {"a": readings, "b": replace(readings, references={"note": ("a", 0.0)}), "d": readings}
    tables["c"] = replace(readings, references={"note": ("b", 0.0)})
    assert waiting(tables, {"a"}) == {"b", "c"} and waiting(tables, set()) == set()


def test_a_project_whose_data_is_only_at_a_source_begins_with_its_first_read(own_workspace, database):
    (own_workspace / "data.dvc").unlink()
    database.fill("readings", frame([reading(n) for n in range(30)]), mode="create")
    sources = {"meters": {"kind": "sql", "table": "readings", "cursor": "updated_at", "start": "2013-05-01"}}
    assert take_in_all(TABLES, sources).changes[0].added == 30
    assert len(stored(own_workspace)) == 30 and (own_workspace / "data.dvc").is_file()
    assert take_in_all(TABLES, sources).changes == []


def test_a_fit_tells_of_each_column_what_is_wrong():
    rows = pl.DataFrame(
        {"meter": ["1", "many"], "at": ["2013-05-01T00:00:00Z", None], "value": [True, False], "odd": [1, 2]}
    )
    raw = Raw(rows, frozenset(["meter", "at"]))
    found = {fit.column: fit.fit for fit in fit_columns(raw, TABLES["readings"], None)}
    assert found["meter"] == "1 of 2 cannot be brought to the type, such as 'many'"
    assert found["at"] == "1 of 2 are null" and found["note"] == "is missing"
    assert found["value"] == "is Boolean, but project/contract.py declares Int32"
    assert undeclared(raw, TABLES["readings"]) == ["odd"]
    large = Raw(frame([reading(1, 2_000_000), reading(2)]), frozenset())
    assert broken_rules(large, TABLES["readings"], None) == {"value|max": 1}


def test_how_all_sources_are(own_workspace, database):
    fill(own_workspace / "theirs", range(5))
    database.fill("readings", frame([reading(n) for n in range(30)]), mode="create")
    sources = {
        "exports": {"kind": "files", "table": "readings", "path": "theirs"},
        "meters": {"kind": "sql", "table": "readings", "cursor": "updated_at", "start": "2013-05-01"},
        "gone": {"kind": "http", "table": "readings", "url": "http://127.0.0.1:1/", "patience": "1s"},
        "wrong": {"kind": "sql", "table": "nothing"},
    }
    params = Params.load().model_copy(update={"sources": sources})
    before = {state.name: state for state in look_at_sources(params, TABLES)}
    assert before["meters"].read_at is None and before["meters"].trouble == ""
    take_in_all(TABLES, sources)
    found = {state.name: state for state in look_at_sources(params, TABLES)}
    assert (
        found["meters"].rows == 30 and found["meters"].landed_until == found["meters"].usable_until == reading(29)["at"]
    )
    assert found["meters"].read_at and found["exports"].rows == 5 and found["exports"].usable_until
    assert "cannot be reached" in found["gone"].trouble and "there is no table 'nothing'" in found["wrong"].trouble
    unasked = {state.name: state.trouble for state in look_at_sources(params, TABLES, ask=False)}
    assert "cannot be reached" in unasked["gone"]  # as noted when it was read


def test_rows_before_a_cursor_that_was_still_to_come_when_it_was_read_are_read(own_workspace):
    """Its time passes; what the source got until then was not read by it."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    place, ledger = LandingPlace("landing"), pl.DataFrame(schema=SCHEMA)
    for number, (cursor, landed_at) in enumerate([(now - 6 * hour, now - 5 * hour), (now - hour, now - 4 * hour)], 1):
        mark = mark_pulled(number, cursor, "0" * 16)
        name = Landed(place, "readings", "shop", ledger).add(Raw(pl.DataFrame({"id": [number]}), frozenset()), mark)
        os.utime(own_workspace / "landing" / name, (landed_at.timestamp(),) * 2)
    assert Landed(place, "readings", "shop", ledger).read_until == now - 6 * hour
