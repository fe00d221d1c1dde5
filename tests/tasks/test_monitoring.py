"""Predictions are logged once; a check tells drift, lost quality and data that cannot be used apart."""

from datetime import UTC, datetime

import polars as pl
import pytest

from tasks.core.digests import META, watched_columns
from tasks.core.errors import InputError
from tasks.inference.prediction_log import log_folder, read_predictions, score_rows
from tasks.monitoring.check_records import find_check, record_check
from tasks.monitoring.drift import find_drift, fit_references
from tasks.monitoring.evidently_report import make_html, make_safe
from tasks.monitoring.watch import describe_reference
from tasks.monitoring.window_check import check_window
from tasks.monitoring.windows import newest_window
from tasks.registry import decision_log as logbook
from tasks.registry.bundle import digest_keys, load_bundle, write_bundle
from tasks.registry.champion import Champion
from tasks.training.conversion import to_bytes
from tasks.training.estimators import DEFAULT
from tasks.training.fit import fit_model
from tasks.training.split import split_rows

pytestmark = pytest.mark.sample

JUNE = datetime(2013, 6, 1, tzinfo=UTC)
WINDOW = newest_window(JUNE)


def make_champion(rows, folder, version, params, sets):
    model = to_bytes(fit_model.fn(rows, DEFAULT | {"max_iter": 60}, params.seed), rows.drop(META).schema)
    watch = describe_reference.fn(model, sets, params.seed)
    probe = rows.head(20).drop(META)
    digests = write_bundle(folder, model, {}, digest_keys(rows), probe, watch.references, watch.sample)
    return Champion(version, load_bundle(folder, digests), DEFAULT)


@pytest.fixture(scope="module")
def versions(year, params, tmp_path_factory):
    """A good version of April and one that was fitted on shuffled labels."""
    as_of = datetime(2013, 4, 1, tzinfo=UTC)
    sets = split_rows(year.filter(pl.col("known_at") < as_of), as_of, params.split)
    spoiled = sets.fit.with_columns(pl.col("target").shuffle(seed=1))
    folder = tmp_path_factory.mktemp("versions")
    return (
        make_champion(sets.fit, folder / "good", "1", params, sets),
        make_champion(spoiled, folder / "bad", "2", params, sets),
    )


@pytest.fixture(scope="module")
def may(year):
    return year.filter(pl.col("event_time") >= WINDOW.start, pl.col("event_time") < WINDOW.end)


def check(may, params, champion, predecessor=None):
    return check_window.fn(may, WINDOW, champion, predecessor, params.monitor, params.gate.threshold)


def test_a_row_is_scored_once_and_its_score_never_rewritten(may, versions, store):
    good, bad = versions
    assert score_rows.fn(may.head(1000), good, JUNE) == 1000
    assert score_rows.fn(may.head(1500), bad, JUNE) == 500
    assert score_rows.fn(may.head(1500), bad, JUNE) == 0
    logged = read_predictions(may.head(1500))
    assert logged["key"].n_unique() == logged.height == 1500
    assert dict(logged["version"].value_counts().iter_rows()) == {"1": 1000, "2": 500}
    assert all(path.parent.name.startswith("date=2013-05-") for path in log_folder().rglob("*.parquet"))


def test_drift_of_may_is_an_alarm_and_quality_waits_for_predictions(may, versions, params, store):
    found = check(may, params, versions[0])
    assert {"temp", "flights_of_hour"} <= set(found.drifted) and found.alarm
    assert found.quality is None and found.rejected is None
    assert "ABQ" in next(finding for finding in found.findings if finding.column == "dest").new_categories


def test_a_champion_worse_than_its_predecessor_is_degraded_and_a_good_one_is_not(may, versions, params, store):
    good, bad = versions
    score_rows.fn(may, bad, JUNE)
    found = check(may, params, bad, predecessor=good)
    assert found.quality.degraded and found.quality.gain.high < 0 and found.quality.predecessor == "1"
    assert found.quality.rows == may.height
    assert check(may, params, good, predecessor=bad).quality is None  # it scored none of these rows


def test_the_better_version_is_not_degraded(may, versions, params, store):
    good, bad = versions
    score_rows.fn(may, good, JUNE)
    found = check(may, params, good, predecessor=bad)
    assert not found.quality.degraded and found.quality.gain.low > 0


def test_a_column_that_is_null_everywhere_or_a_window_without_rows_is_rejected(may, versions, params, store):
    holes = may.with_columns(temp=pl.lit(None, pl.Float32))
    assert check(holes, params, versions[0]).rejected == "temp is null in every row of the window"
    assert check(may.clear(), params, versions[0]).rejected == "the window holds no rows"


def test_a_check_is_found_again_with_all_its_figures(may, versions, params, store):
    found = check(may, params, versions[0])
    record_check.fn("late-arrivals", JUNE, found)
    assert find_check("late-arrivals", WINDOW, "1") == found
    assert find_check("late-arrivals", WINDOW, "2") is None
    (record,) = logbook.find_records("late-arrivals", "check")
    assert (record.data.tags["window"], record.data.tags["alarm"]) == ("2013-06-01", "True")


def test_the_report_shows_the_scores_that_decided_and_nothing_of_the_data_runs_in_it(may, versions, params):
    found = check(may, params, versions[0])
    evil = "</script><script>document.title='run'</script>"
    now = watched_columns(may.head(500)).with_columns(score=pl.lit(0.3), carrier=pl.lit(evil))
    before = pl.read_parquet(versions[0].bundle.folder / "reference.parquet").head(500)
    html = make_html(before, now, found.findings, "window")
    assert evil not in html and "\\u003c/script>" in html
    assert f'"value": "{sum(finding.drifted for finding in found.findings)}.0"' in html
    at = []
    for finding in found.findings:
        said = "detected" if finding.drifted else "not detected"
        score = f"Data drift {said}. Drift detection method: PSI (calibrated). Drift score: {round(finding.psi, 3)}"
        at.append(html.index(f'"Drift in column \'{finding.column}\'", "label": "{score}"'))
    assert at == sorted(at)


def test_the_report_leaves_out_what_has_no_values_and_draws_yes_and_no():
    days = pl.Series(range(280)) // 10
    before = pl.DataFrame({"number": range(280), "empty": [None] * 280, "flag": [True, False] * 140})
    findings = find_drift(before, fit_references(before, days))
    html = make_html(before.head(100), before.tail(100), findings, "window")
    assert "column 'flag'" in html and "column 'number'" in html and "column 'empty'" not in html


def test_a_report_that_is_built_otherwise_is_not_written():
    with pytest.raises(InputError, match="not built as expected"):
        make_safe("<html><script>var x</script></html>")
