"""An API as a source: every way of paging, a server that is busy, broken, slow or gone."""

import json
import random
import time
from datetime import UTC, datetime

import pytest
from landings import take_in_all
from meters import TABLES, as_json, reading, stored

from tasks.core.errors import InputError
from tasks.data.sources.http import Http

SOURCE = {"kind": "http", "table": "readings", "cursor": "updated_at", "start": "2013-05-01", "patience": "2s"}
BUSY = (503, {"Retry-After": "0"}, b"busy")
STYLES = {
    "number": {"items": "data.items", "pages": "number"},
    "offset": {"items": "data.items", "pages": "offset"},
    "token": {"items": "data.items", "pages": "token"},
    "link": {"pages": "link"},
    "body link": {"items": "data.items", "pages": "link"},
    "none": {},
}


@pytest.fixture
def pull(own_workspace, api):
    """Call it to read the source and take in what landed; settings of the source may be changed."""
    api.rows = [as_json(reading(n)) for n in range(250)]
    return lambda **changes: take_in_all(TABLES, {"meters": declare(api, **changes)})


def declare(api, **changes):
    return SOURCE | {"url": f"{api.address}/rows"} | STYLES[api.style] | changes


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_all_pages_are_read_however_they_are_asked_for(style, pull, api, own_workspace):
    api.style = style
    assert pull().changes[0].added == 250 and pull().changes == []
    api.rows += [as_json(reading(n)) for n in range(250, 300)]
    assert pull().changes[0].added == 50
    assert stored(own_workspace) == {(1, n): n for n in range(300)}


@pytest.mark.slow
def test_a_fifth_of_the_answers_503_costs_nothing_but_time(pull, api, own_workspace):
    api.size, chance = 10, random.Random(3)
    api.fails = lambda number: BUSY if chance.random() < 0.2 else None
    assert pull().changes[0].added == 250 and len(api.asked) > 28


@pytest.mark.slow
def test_a_first_read_goes_by_windows_where_the_api_takes_an_end(pull, api, own_workspace):
    window = {"until_param": "until", "window": "100d"}
    api.rows = [as_json(reading(n * 60 * 24 * 60)) for n in range(10)]
    assert len(pull(**window).changes) == 6
    assert set(stored(own_workspace)) == {(1, n * 60 * 24 * 60) for n in range(10)} and pull(**window).changes == []


@pytest.mark.slow
def test_a_page_that_fails_for_ever_lands_nothing_and_the_next_run_goes_on(pull, api, own_workspace):
    api.fails = lambda number: BUSY if api.asked[-1].get("page") == "2" else None
    landing = pull()
    assert landing.changes == [] and "answers 503: it is busy or broken" in landing.troubles[0]
    api.fails = lambda number: None
    assert pull().changes[0].added == 250


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            (401, {}, b"who?"),
            "source meters refuses us (401): look at the variables that headers_from and params_from name",
        ),
        ((404, {}, b""), "source meters answers 404: look at url and params"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "source meters has moved (302): write where to into url"),
        ((200, {}, b"<html>"), "source meters answers with what is no JSON"),
        (
            (200, {}, b'{"data": {"rows": []}}'),
            "source meters gives no rows: its items, 'data.items', are no list of objects; the answer has 'data'",
        ),
        ((200, {}, b'{"data": {"items": [1, 2]}}'), "are no list of objects"),
        ((503, {"Retry-After": "3600"}, b""), "source meters answers 503"),
        (
            (200, {}, b'{"data": {"items": [{"meter": 1}]}}'),
            "source meters lacks the column 'at', which project/contract.py declares",
        ),
    ],
)
def test_an_answer_that_is_none_is_one_sentence(answer, sentence, pull, api):
    api.fails = lambda number: answer
    (told,) = pull(pages="none").troubles
    assert sentence in told and "\n" not in told


@pytest.mark.slow
def test_a_server_that_hangs_or_is_gone_is_told_and_other_sources_land(pull, api, own_workspace, database):
    database.run("create table readings (meter int, at timestamptz, value int, note text, updated_at timestamptz)")
    database.run("insert into readings values (7, '2013-05-01Z', 1, 'x', '2013-05-01Z')")
    api.hangs = lambda number: True
    sources = {
        "hanging": declare(api, timeout="1s", patience="1s"),
        "gone": declare(api, url="http://127.0.0.1:1/rows"),
        "wrong": declare(api, cursr="updated_at"),
        "database": {"kind": "sql", "table": "readings"},
    }
    landing = take_in_all(TABLES, sources)
    assert landing.changes[0].added == 1
    told = " ".join(landing.troubles)
    assert "source hanging does not answer within timeout" in told and "source gone cannot be reached" in told
    assert "sources.wrong: cursr: no such setting; did you mean cursor?" in told


@pytest.mark.slow
def test_a_source_without_a_sign_of_life_holds_up_no_other(pull, api, own_workspace):
    api.hangs = lambda number: "page" not in api.asked[-1]
    sources = {"hanging": declare(api, pages="none", timeout="1h", patience="1h"), "good": declare(api)}
    landing = take_in_all(TABLES, sources, timeout="2s")
    assert landing.changes[0].added == 250
    assert "source hanging gave no sign of life for data.timeout (2 s)" in landing.troubles[0]


@pytest.mark.slow
def test_a_row_that_moves_to_another_page_while_pages_are_read_is_not_missed(pull, api, own_workspace):
    def move(number: int) -> None:
        if number == 2:
            api.rows.append(api.rows.pop(0) | {"updated_at": "2013-05-02T00:00:00Z"})

    api.fails = move
    assert pull().changes[0].added == 250 and len(stored(own_workspace)) == 250


@pytest.mark.parametrize("answer", [(204, {}, b""), (200, {}, b""), (200, {}, b'\xef\xbb\xbf{"data": {"items": []}}')])
def test_an_answer_without_rows_is_nothing_new(answer, pull, api):
    api.fails = lambda number: answer
    landing = pull()
    assert landing.troubles == [] and landing.changes == []


@pytest.mark.slow
def test_values_that_json_should_not_hold_are_bad_rows_and_keep_no_other_out(pull, api, own_workspace):
    api.style = "none"
    rows = json.dumps([as_json(reading(n)) for n in range(20)])
    odd = rows.replace('"value": 3,', '"value": NaN,').replace('"value": 4,', f'"value": {"9" * 400},')
    odd = odd.replace('"n5"', '"\\ud800"').replace('"value": 6,', '"value": {"deep": [1]},')
    api.fails = lambda number: (200, {}, odd.encode())
    change = pull(pages="none", items="").changes[0]
    assert (change.added, change.quarantined) == (17, 3)


def test_a_secret_with_the_end_of_a_line_is_used_without_it(pull, api, monkeypatch):
    monkeypatch.setenv("API_AUTH", "Bearer s3cr3t\n")
    assert pull(headers_from={"Authorization": "API_AUTH"}).changes and api.asked[0]["authorization"] == "Bearer s3cr3t"


@pytest.mark.slow
def test_pages_that_never_end_are_told(pull, api):
    api.size = 1000
    same = b'{"data": {"items": [{"meter": 1}]}, "next": "7"}'
    api.fails = lambda number: (200, {}, same)
    assert "two pages are the same" in pull().troubles[0]
    api.style = "token"
    assert "two pages are the same" in pull().troubles[0]
    api.fails = lambda number: (200, {}, b'{"data": {"items": []}, "next": "7"}')
    assert "its pages lead round in a circle" in pull().troubles[0]


@pytest.mark.slow
def test_secrets_come_from_variables_and_go_to_no_other_host(pull, api, monkeypatch):
    monkeypatch.setenv("API_AUTH", "Bearer s3cr3t")
    monkeypatch.setenv("API_KEY", "k3y")
    secret = {"headers_from": {"Authorization": "API_AUTH"}, "params_from": {"key": "API_KEY"}}
    assert pull(**secret).changes[0].added == 250
    assert {(asked["authorization"], asked["key"]) for asked in api.asked} == {("Bearer s3cr3t", "k3y")}
    elsewhere = b'{"data": {"items": [{"meter": 1}]}, "next": "http://localhost:1/rows?page=2"}'
    api.fails = lambda number: (200, {}, elsewhere)
    (told,) = pull(**secret, pages="link").troubles
    assert "its next page lies on another host" in told and "s3cr3t" not in told
    api.fails = lambda number: (403, {}, b"")
    assert "s3cr3t" not in pull(**secret).troubles[0]
    monkeypatch.delenv("API_KEY")
    assert "the variable API_KEY is not set" in pull(**secret).troubles[0]


def test_no_more_requests_a_second_than_rate(api):
    api.rows, begun = [as_json(reading(n)) for n in range(500)], time.monotonic()
    source = Http.model_validate(declare(api) | {"name": "meters", "rate": 10})
    pages = list(source._read_pages(None, None, memory()))
    assert sum(map(len, pages)) == 500 and time.monotonic() - begun > 0.1 * (len(pages) - 1) - 0.05


def memory():
    from tasks.data.sources.source import Memory

    return Memory(TABLES["readings"], None)


def test_values_keep_their_types_and_a_bad_one_is_a_bad_row(pull, api, own_workspace):
    api.rows[3] |= {"value": "12"}
    api.rows[4] |= {"value": "many"}
    api.rows[5] |= {"at": None}
    api.rows[6] |= {"extra": [1, {"a": 2}], "note": 'ü\n"quoted"'}
    change = pull().changes[0]
    assert (change.added, change.quarantined) == (248, 2) and stored(own_workspace)[1, 3] == 12


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": "ftp://host/x"}, "url must be http://... or https://..."),
        ({"cursor": None}, "cursor and start need each other"),
        ({"table": "meters"}, "there is no table 'meters' in project/contract.py: it declares readings"),
        ({"kind": "htpp"}, "sources.meters.kind must be one of files, sql, http, stream, not 'htpp'"),
        ({"lag": "soon"}, "sources.meters: lag: "),
    ],
)
def test_a_wrong_declaration_is_one_sentence(settings, sentence, pull):
    (told,) = pull(**settings).troubles
    assert sentence in told


def test_a_test_of_a_source_reads_its_first_rows(api):
    api.rows = [as_json(reading(n)) for n in range(250)]
    source = Http.model_validate(declare(api) | {"name": "meters"})
    assert isinstance(source.start, datetime) and source.start == datetime(2013, 5, 1, tzinfo=UTC)
    assert source.sample(10, memory()).rows.height == 10 and len(api.asked) == 1
    with pytest.raises(InputError, match="cannot be reached"):
        Http.model_validate(declare(api, url="http://127.0.0.1:1/") | {"name": "meters"}).sample(10, memory())
