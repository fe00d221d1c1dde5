"""Text from data that looks like a page's code is shown and never run, looked at in a real browser."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.runtime import flow_run
from stacks import wait_for

from tasks.core.errors import InputError
from tasks.core.events import announce
from tasks.data.merge import Change
from tasks.data.quarantine import BadFile
from tasks.data.take_in import Landing
from tasks.evaluation.verdict import Check, Interval, Verdict
from tasks.monitoring import evidently_report
from tasks.monitoring.check_records import record_check
from tasks.monitoring.drift import find_drift, fit_references
from tasks.monitoring.window import Finding, WindowCheck
from tasks.operations.check_page import check_page as page_of_check
from tasks.operations.landing_page import landing_page
from tasks.operations.markdown import inert
from tasks.operations.run_end import end_as
from tasks.operations.training_page import checks as checks_of
from tasks.operations.training_page import describe_origin
from tasks.operations.training_page import slices as slices_of
from tasks.registry.state import Log

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
JUNE = datetime(2013, 6, 1, tzinfo=UTC)
MARK = "document.documentElement.dataset.pwned=1"
PAYLOADS = [
    f"<script>{MARK}</script>",
    f"</script><script>{MARK}</script>",
    f'<img src=x onerror="{MARK}">',
    f"<svg onload={MARK}>",
    f"[x](javascript:{MARK})",
    "![x](http://127.0.0.1:9/pixel.png)",
    "<http://127.0.0.1:9/page> http://127.0.0.1:9/page WWW.evil.example",
    "{{ 7*7 }} {% for x in range(9) %}x{% endfor %}",
    "../../etc/passwd",
    "x" * 1_000_000,
]
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no browser: apt-get install chromium")


def open_page(address: str) -> str:
    """The page as it stands after its scripts ran."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000", "--dump-dom"]
    return subprocess.run([CHROMIUM, *options, address], capture_output=True, text=True, timeout=120, check=True).stdout


def is_pwned(page: str) -> bool:
    return "data-pwned" in page.split(">", 2)[1]


def check_page(page: str) -> None:
    """Nothing ran, and no image was fetched that a text asked for."""
    assert not is_pwned(page)
    assert 'src="x"' not in page and 'pixel.png"' not in page
    assert 'href="javascript:' not in page and 'href="http://127.0.0.1:9' not in page
    assert 'href="http://www.evil' not in page.lower()


@needs_browser
def test_the_check_would_see_a_script_that_runs(tmp_path):
    page = tmp_path / "page.html"
    for payload in PAYLOADS[:4]:
        page.write_text(f"<!doctype html><html><body><p>hello</p>{payload.removeprefix('</script>')}</body></html>")
        assert is_pwned(open_page(page.as_uri())), payload


@needs_browser
@pytest.mark.server
@pytest.mark.slow
def test_in_the_prefect_ui_nothing_of_it_runs(server, store):
    findings = [
        Finding(column=evil[:999], psi=1.0, threshold=0.1, missing=0.0, missing_before=0.0, new_categories=[evil])
        for evil in PAYLOADS
    ]
    check = WindowCheck(
        window="2013-06-01",
        version="1",
        rows=9,
        findings=findings,
        drifted=[evil[:999] for evil in PAYLOADS],
        alarm=True,
        missing=[],
        quality=None,
    )
    slices = {evil: {evil: Interval(0.0, 0.1, 0.2)} for evil in PAYLOADS}
    checks = [Check(name=evil, passed=False, measured=evil, required=evil) for evil in PAYLOADS]
    verdict = Verdict(decision="reject", checks=checks, metrics={}, slices=slices)
    card = dict.fromkeys(("as_of", "cause", "reason", "by", "data_version", "trials", "commit"), PAYLOADS[2])
    card |= {
        "verdict": verdict.model_dump(),
        "judged_against": None,
        "rows": {"fit": 1},
        "hyperparameters": PAYLOADS[4],
    }
    changes = [Change("flights", evil, 1, 1, 0, 0, 0, 0) for evil in PAYLOADS]
    bad = [BadFile("flights", "", evil, datetime.now(UTC), evil) for evil in PAYLOADS]
    landing = Landing({}, {}, pl.DataFrame(), changes, bad, [], {})

    @flow
    def show() -> str:
        log = Log("late-arrivals", [record_check.fn("late-arrivals", JUNE, check)])
        for name, page in {
            "check": page_of_check(log, check),
            "verdict": "\n\n".join([*checks_of(card), *slices_of(card), describe_origin(card)]),
            "landing": landing_page(landing),
        }.items():
            end_as("Rejected", " ".join(PAYLOADS[:9]), None, page, name)
        return flow_run.id

    run = show()
    with get_client(sync_client=True) as client:
        chosen = FlowRunFilter.model_validate({"id": {"any_": [run]}})
        artifacts = {artifact.key: artifact for artifact in client.read_artifacts(flow_run_filter=chosen)}
    for key in ("check-show", "verdict-show", "landing-show"):
        for ui in ("artifacts", "v2/artifacts"):
            page = open_page(f"{server.removesuffix('/api')}/{ui}/artifact/{artifacts[key].id}")
            assert "dataset.pwned" in page and "&amp;#" not in page, key
            check_page(page)


@needs_browser
@pytest.mark.server
@pytest.mark.slow
def test_in_runs_and_events_of_the_prefect_ui_nothing_of_it_runs(server):
    evil = " ".join(payload[:99] for payload in PAYLOADS)

    @flow(flow_run_name=lambda: evil, log_prints=True)
    def fail(reason: str) -> None:
        print(reason)
        announce("data.rejected", f"data.{evil}", model=evil, reason=reason)
        raise InputError(reason)

    with pytest.raises(InputError), tags(*PAYLOADS[:3]):
        fail(evil)
    site = server.removesuffix("/api")
    with get_client(sync_client=True) as client:
        run = next(run for run in client.read_flow_runs() if run.name == evil)
        event = find_event(client, "data.rejected")
    for address in (
        f"runs/flow-run/{run.id}",
        f"runs/flow-run/{run.id}?tab=Parameters",
        "runs",
        "events",
        f"events/event/{event.occurred:%Y-%m-%d}/{event.id}",
    ):
        page = open_page(f"{site}/{address}")
        assert "&lt;script&gt;" in page, address
        check_page(page)


def find_event(client, name: str):
    """The event of this name, once the server has it."""
    chosen = EventFilter(event=EventNameFilter(name=[name]))
    wait_for(lambda: bool(client.read_events(chosen, limit=1).events))
    return client.read_events(chosen, limit=1).events[0]


@needs_browser
@pytest.mark.parametrize("safe", [True, False])
def test_in_the_drift_report_nothing_of_it_runs_which_it_would_as_evidently_writes_it(tmp_path, monkeypatch, safe):
    if not safe:
        monkeypatch.setattr(evidently_report, "arrange", lambda html, *_: html)
    evil = pl.DataFrame({PAYLOADS[1]: PAYLOADS[:4] * 700, "number": range(2800)})
    start, day = datetime(2013, 1, 1, tzinfo=UTC), timedelta(days=1)
    times = pl.Series([start + day * (row // 20) for row in range(2800)])
    references = fit_references(evil, times, start + 140 * day)
    page = tmp_path / "report.html"
    page.write_text(evidently_report.make_html(evil, evil, find_drift(evil, references), "title"))
    assert is_pwned(open_page(page.as_uri())) is not safe


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_from_data_is_cut_and_looks_as_it_was(payload):
    shown = inert(payload)
    assert len(shown) < 300
    assert shown.replace("\u200b", "") == payload[:200] + "..." * (len(payload) > 200)
