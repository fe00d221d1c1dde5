"""The home page: every link leads somewhere, nothing of the data runs in it, and it loads nothing from elsewhere."""

import re
import shutil
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_pages import MARK, PAYLOADS, check_page, needs_browser, open_page

from tasks.core.tables import open_table
from tasks.core.workspace import workspace
from tasks.evaluation.score_summary import summarise_scores
from tasks.evaluation.verdict import Check, Interval, Verdict
from tasks.inference.bundle import write_bundle
from tasks.inference.scorer import Scorer
from tasks.operations.home_page import write_home_page
from tasks.operations.model_card import MODEL_CARD, write_model_card
from tasks.operations.overview import look_over
from tasks.registry.decision_log import DECISIONS, read_log, record
from tasks.registry.entries import Asked, Checked, Claim, Judged
from tasks.registry.promotion import promote_by_hand, roll_back

MODEL, JUNE = "late-arrivals", datetime(2013, 6, 1, tzinfo=UTC)
EVIL = " ".join(PAYLOADS[:9])


class Links(HTMLParser):
    """Where a page points to, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, value) for name, value in attrs if name in ("href", "src")]


def links_of(page: Path) -> list[tuple[str, str]]:
    parser = Links()
    parser.feed(page.read_text())
    return parser.found


def make_card(params) -> dict:
    """The card of a version, in which every text is evil."""
    target, score = np.array([True, False] * 50), np.linspace(0, 1, 100)
    gain = Interval(-0.1, 0.0, 0.1)
    checks = [Check(name="AUC gain over the champion", passed=False, measured=EVIL, required="more")]
    metrics = {name: {"skill": 0.1} for name in ("challenger", "champion", "baseline")}
    verdict = Verdict(decision="reject", checks=checks, metrics=metrics, slices={EVIL: {EVIL: gain}})
    card = dict.fromkeys(("as_of", "cause", "reason", "by", "commit", "lock", "study", "trials", "sha256"), EVIL)
    card |= {"model": MODEL, "target": "Boolean", "data_version": EVIL, "judged_against": "1", "dirty": True}
    card |= {"rows": {"fit": 9, "gate": 9}, "intervals": dict.fromkeys(("fit", "gate"), ["2013-01-01", "2013-02-01"])}
    card |= {"hyperparameters": {"family": EVIL}, "importance": {EVIL[:40]: 0.1}, "verdict": verdict.model_dump()}
    scores = summarise_scores(target, score, frame_of(EVIL))
    return card | {"scores": scores, "params": params.model_dump(mode="json")}


def frame_of(text: str) -> pl.DataFrame:
    return pl.DataFrame({text[:40]: [text] * 100})


@pytest.fixture
def story(store, tiny_model, params):
    """Two versions, three windows and a question, all of whose texts are evil; returns the reports."""
    open_table(DECISIONS)
    (model, probe), card = tiny_model, make_card(params)
    facts = {"decision": "reject", "why": EVIL, "judged_against": None, "by": EVIL, "cause": "hand", "key": ""}
    for number in ("1", "2"):
        files = {MODEL_CARD: write_model_card(card).encode()}
        bundle, digests = write_bundle(
            Scorer(model), card | {"number": number}, np.arange(3, dtype=np.uint64), probe, files
        )
        facts |= {"bundle": bundle, "digests": digests, "data_version": "", "sha256": ""}
        record(MODEL, Judged(version=number, as_of=JUNE.replace(month=3 + int(number)), **facts))
    promote_by_hand(MODEL, "1", EVIL, "data")
    promote_by_hand(MODEL, "2", EVIL, "data")
    quality = {"rows": 9, "metrics": {"log_loss": 0.5, "skill": 0.1}, "predecessor": "1", "gain": None}
    for month in (6, 7, 8):
        check = {
            "rows": 9,
            "drifted": [EVIL],
            "quality": None if month == 6 else quality,
            "rejected": EVIL if month == 7 else None,
        }
        when = JUNE.replace(month=month)
        known = {"version": "2", "alarm": month == 8, "degraded": False, "check": check, "findings": ""}
        record(MODEL, Checked(as_of=when, window=f"{when:%Y-%m-%d}", **known))
    roll_back(MODEL, EVIL, "data")
    reports = workspace().reports
    reports.mkdir(parents=True)
    (reports / f"{MODEL}-2013-06-01-version-2.html").write_text("<html></html>")
    assert write_home_page() == reports / "index.html"
    return reports


def test_every_link_leads_to_a_file_and_nothing_is_loaded_from_elsewhere(story):
    pages = list(story.glob("*.html"))
    assert len(pages) == 4
    for page in pages:
        for tag, address in links_of(page):
            if tag == "a":
                assert (story / address).is_file(), (page.name, address)
            else:
                assert address.startswith("data:image/png;base64,"), (page.name, address[:80])
    assert {tag for tag, _ in links_of(story / "index.html")} == {"a", "img"}


def test_it_names_champion_windows_and_verdicts(story):
    text = (story / "index.html").read_text()
    assert "Champion: <strong>version 1</strong> since 2013-08-01" in text
    assert (
        text.count("reject") >= 2 and "2013-07-01" in text and "drift of window 2013-08-01 has no training yet" in text
    )
    assert text.count(f'href="{MODEL}-version-') == 2 and f'href="{MODEL}-2013-06-01-version-2.html"' in text


@needs_browser
def test_nothing_of_the_data_runs_in_it(story):
    for page in story.glob("*.html"):
        check_page(open_page(page.as_uri()))
        if page.name != f"{MODEL}-2013-06-01-version-2.html":
            assert MARK in page.read_text()


def test_it_can_be_read_on_a_phone(story):
    text = (story / "index.html").read_text()
    assert 'name="viewport" content="width=device-width' in text
    assert len(re.findall("<table", text)) == len(re.findall('<div class="wide"><table', text))


def test_a_version_whose_files_are_lost_has_no_page_and_the_others_have(story, capsys):
    lost = read_log(MODEL).versions["1"]
    for page in story.glob("*.html"):
        page.unlink()
    shutil.rmtree(story.parent / "bundles" / lost.bundle)
    write_home_page()
    assert "no page of version 1 of late-arrivals: " in capsys.readouterr().out
    assert (story / "index.html").read_text().count(f'href="{MODEL}-version-2') == 1


def test_what_waits_for_somebody_is_told(versions):
    record(MODEL, Asked(version="3", champion=None, until=JUNE.replace(year=2099), as_of=JUNE))
    record(MODEL, Claim(work="training", as_of=JUNE, host="there"))
    review, training = look_over(read_log(MODEL)).waiting
    assert review == "version 3 waits for a person until 2099-06-01 00:00 UTC: ml review"
    assert training.startswith("a training as of 2013-06-01 began on there at ")
