"""Predictions are logged once; a check tells drift, lost quality and data that cannot be used apart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.core.use_case import META
from tasks.data.feature_frame import watched_columns
from tasks.evaluation.metrics import losses
from tasks.inference.bundle import digest_keys, load_bundle, write_bundle
from tasks.inference.prediction_log import key_text, read_predictions, score_rows
from tasks.inference.scorer import Scorer
from tasks.monitoring import evidently_report
from tasks.monitoring.check_records import find_checked, read_check, record_check, says_more
from tasks.monitoring.drift import describe_reference, find_drift, fit_references
from tasks.monitoring.evidently_report import arrange, make_html
from tasks.monitoring.window import newest_window
from tasks.monitoring.window_check import check_window, read_references
from tasks.registry.decision_log import read_log
from tasks.registry.versions import Champion
from tasks.training.estimators import DEFAULT
from tasks.training.fit import fit_model, to_bytes
from tasks.training.split import split_rows

pytestmark = pytest.mark.sample

MODEL = "late-arrivals"
APRIL, JUNE = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 6, 1, tzinfo=UTC)
WINDOW = newest_window(JUNE)


def make_champion(use_case, rows, version, params, sets):
    fitted = fit_model.fn(use_case, rows, DEFAULT | {"max_iter": 60}, params.seed)
    model = Scorer(to_bytes(fitted, rows.drop(META).schema))
    reference = describe_reference.fn(model.score, sets, APRIL - params.split.gate, APRIL, params.seed)
    card = {"intervals": dict.fromkeys(("fit", "gate"), ["2013-01-01", "2013-03-31"])}
    bundle = write_bundle(model, card, digest_keys(rows), rows.head(20).drop(META), reference)
    return Champion(version, load_bundle(*bundle), DEFAULT)


@pytest.fixture(scope="module")
def versions(year, use_case, params):
    """A good version of April and one that was fitted on shuffled labels."""
    sets = split_rows(year.filter(pl.col("label_time") < APRIL), APRIL, params.split)
    spoiled = sets.fit.with_columns(pl.col("target").shuffle(seed=1))
    return (
        make_champion(use_case, sets.fit, "1", params, sets),
        make_champion(use_case, spoiled, "2", params, sets),
    )


@pytest.fixture(scope="module")
def may(year):
    return year.filter(pl.col("event_time") >= WINDOW.start, pl.col("event_time") < WINDOW.end)


def check(may, params, champion, predecessor=None):
    return check_window.fn(MODEL, may, WINDOW, champion, predecessor, params.monitor, params.gate.threshold)


def score(rows, champion) -> int:
    return score_rows(MODEL, rows, champion.bundle.scorer, champion.version, None, "data", JUNE)


def test_a_row_is_scored_once_and_its_score_never_rewritten(may, versions, store):
    good, bad = versions
    assert score(may.head(1000), good) == 1000
    assert score(may.head(1500), bad) == 500
    assert score(may.head(1500), bad) == 0
    logged = read_predictions(MODEL, may.head(1500), ["key", "version"])
    assert logged["key"].n_unique() == logged.height == 1500
    assert dict(logged["version"].value_counts().iter_rows()) == {"1": 1000, "2": 500}
    assert read_predictions("another", may.head(1500), ["key"]).is_empty()


def test_the_score_of_the_predecessor_is_kept_beside(may, versions, store):
    good, bad = (version.bundle.scorer for version in versions)
    score_rows(MODEL, may.head(100), bad, "2", good, "data", JUNE)
    logged = read_predictions(MODEL, may.head(100), ["key", "score", "predecessor_score", "data_version"])
    rows = may.head(100).select(key_text(may.head(100)).alias("key"), own=bad.score(may.head(100)))
    rows = rows.with_columns(before=good.score(may.head(100))).join(logged, on="key")
    assert rows["own"].cast(pl.Float64).equals(rows["score"]) and set(rows["data_version"]) == {"data"}
    assert rows["before"].cast(pl.Float64).equals(rows["predecessor_score"])


def test_drift_of_may_is_an_alarm_and_quality_waits_for_predictions(may, versions, params, store):
    found = check(may, params, versions[0])
    assert {"temp", "flights_of_hour"} <= set(found.drifted) and found.alarm
    assert found.quality is None and found.rejected is None
    assert "ABQ" in next(finding for finding in found.findings if finding.column == "dest").new_categories


def test_drift_of_too_few_columns_is_no_alarm_and_its_line_says_how_many_make_one(may, versions, params, store):
    params = params.model_copy(update={"monitor": params.monitor.change({"min_columns": 9})})
    found = check(may, params, versions[0])
    assert found.drifted and not found.alarm
    assert f"{', '.join(found.drifted)} (9 make an alarm)" in str(found) and "ALARM" not in str(found)
    of_before = found.model_copy(update={"alarm_from": None})  # as an earlier version of the code recorded it
    assert not says_more(found, of_before, 0) and says_more(found, of_before.model_copy(update={"rows": 0}), 0)


def test_a_champion_worse_than_its_predecessor_is_degraded_and_a_good_one_is_not(may, versions, params, store):
    good, bad = versions
    score(may, bad)
    found = check(may, params, bad, predecessor=good)
    assert found.quality.degraded and found.quality.gain.high < 0 and found.quality.predecessor == "1"
    assert found.quality.rows == may.height
    assert check(may, params, good, predecessor=bad).quality is None  # it scored none of these rows


def test_the_better_version_is_not_degraded(may, versions, params, store):
    good, bad = versions
    score(may, good)
    found = check(may, params, good, predecessor=bad)
    assert not found.quality.degraded and found.quality.gain.low > 0


def test_data_that_was_late_when_the_champion_scored_speaks_for_no_other_version(may, versions, params, store):
    """The predecessor would have had to do without it, too."""
    good, _ = versions
    names = may.select(pl.selectors.numeric()).drop(META, strict=False).columns
    late = may.with_columns(pl.when(pl.int_range(pl.len()) % 2 == 0).then(name).alias(name) for name in names)
    score(late, good)
    found = check(may, params, good, predecessor=good)
    assert found.quality.gain == (0, 0, 0) and not found.quality.degraded
    assert found.quality.metrics["log_loss"] > losses(may["target"].to_numpy(), good.bundle.scorer.score(may)).mean()


def test_of_a_single_day_there_is_quality_and_no_interval_of_a_gain(may, versions, params, store):
    good, bad = versions
    day = may.filter(pl.col("event_time").dt.date() == may["event_time"].dt.date().max())
    few = params.model_copy(update={"monitor": params.monitor.model_copy(update={"min_labels": 100})})
    score(day, good)
    found = check(day, few, good, predecessor=bad)
    assert found.quality.rows == day.height and found.quality.gain is None and not found.quality.degraded
    assert read_check(record_check.fn(MODEL, JUNE, found)).quality == found.quality


def test_outcomes_are_judged_as_what_the_version_predicts_and_beside_a_predecessor_of_its_kind(
    may, versions, params, store
):
    good, bad = (v._replace(bundle=replace(v.bundle, card={"target": "Boolean"})) for v in versions)
    score(may, good)
    expected = check(may, params, good, bad).quality
    assert expected.gain is not None
    numbers = may.cast({"target": pl.Float64})
    assert check(numbers, params, good, bad).quality == expected
    other = bad._replace(bundle=replace(bad.bundle, card={"target": "Float64"}))
    assert check(numbers, params, good, other).quality == expected.model_copy(update={"gain": None})
    more = numbers.with_columns(pl.when(pl.col("target") == 1).then(3.0).otherwise("target").alias("target"))
    assert check(more, params, good, bad).quality is None


def test_a_column_that_is_null_everywhere_or_a_window_without_rows_is_rejected(may, versions, params, store):
    holes = may.with_columns(temp=pl.lit(None, pl.Float32))
    assert check(holes, params, versions[0]).rejected == "temp is null in every row of the window"
    assert check(may.clear(), params, versions[0]).rejected == "the window holds no rows"


def test_a_window_begins_with_its_first_moment_and_ends_before_that_of_the_next(may, versions, params, monkeypatch):
    moment, drawn = timedelta(microseconds=1), []
    times = [WINDOW.start - moment, WINDOW.start, WINDOW.end - moment, WINDOW.end]
    cycle = pl.Series(times * 200, dtype=may.schema["event_time"])
    rows = may.head(800).with_columns(event_time=cycle)
    found = check(rows, params, versions[0])
    assert found.rows == 400
    monkeypatch.setattr(evidently_report, "make_html", lambda before, now, *given: drawn.append(now.height) or "")
    evidently_report.render_report.fn("late-arrivals", rows, WINDOW, versions[0], found, params.seed)
    assert drawn == [400]


def test_the_newest_window_ends_on_the_first_of_a_month_that_has_begun():
    before = newest_window(JUNE - timedelta(microseconds=1))
    assert (WINDOW.start, WINDOW.end) == (datetime(2013, 5, 4, tzinfo=UTC), JUNE)
    assert before == newest_window(datetime(2013, 5, 1, tzinfo=UTC)) and before.name == "2013-05-01"


def test_features_are_compared_with_whole_weeks_before_the_gate_and_scores_with_those_up_to_as_of(
    versions, year, params
):
    sets = split_rows(year.filter(pl.col("label_time") < APRIL), APRIL, params.split)
    references = read_references(versions[0].bundle)
    scores = pl.DataFrame({"score": versions[0].bundle.scorer.score(sets.gate)})
    fit_end = APRIL - params.split.gate
    expected = fit_references(watched_columns(sets.fit), sets.fit["event_time"], fit_end)
    assert references == expected | fit_references(scores, sets.gate["event_time"], APRIL)


def test_a_check_is_found_again_with_all_its_figures(may, versions, params, store):
    found = check(may, params, versions[0])
    record_check.fn(MODEL, JUNE, found)
    entry = find_checked(read_log(MODEL), WINDOW, "1")
    assert read_check(entry, with_findings=True) == found and (entry.window, entry.alarm) == ("2013-06-01", True)
    assert find_checked(read_log(MODEL), WINDOW, "2") is None


def test_the_report_shows_the_scores_that_decided_and_nothing_of_the_data_runs_in_it(may, versions, params):
    found = check(may, params, versions[0])
    evil = "</script><script>document.title='run'</script>"
    now = watched_columns(may.head(500)).with_columns(score=pl.lit(0.3), carrier=pl.lit(evil))
    before = pl.read_parquet(versions[0].bundle.files["reference.parquet"]).head(500)
    html = make_html(before, now, found.findings, "<header>window</header>")
    assert evil not in html and "\\u003c/script>" in html
    assert f'"value": "{sum(finding.drifted for finding in found.findings)}.0"' in html
    at = []
    for finding in found.findings:
        said = "detected" if finding.drifted else "not detected"
        score = f"Data drift {said}. Drift detection method: PSI (calibrated). Drift score: {round(finding.psi, 3)}"
        at.append(html.index(f'"Drift in column \'{finding.column}\'", "label": "{score}"'))
    assert at == sorted(at)
    drifted, others = (
        html.split(", others = ", 1)[0],
        html.split(", others = ", 1)[1].split(";var additional_graphs", 1)[0],
    )
    for finding in found.findings:
        title = f'"{finding.column}: PSI {finding.psi:.3f}, threshold {finding.threshold:.3f}"'
        assert (title in drifted, title in others) == (finding.drifted, not finding.drifted)
    assert (
        html.index("<header>window</header>")
        < html.index('<div id="root_metric')
        < html.index("columns that did not drift")
    )


def test_the_report_leaves_out_what_has_no_values_and_draws_yes_and_no():
    times = pl.Series([APRIL + timedelta(days=row // 10) for row in range(280)])
    before = pl.DataFrame({"number": range(280), "empty": [None] * 280, "flag": [True, False] * 140})
    findings = find_drift(before, fit_references(before, times, APRIL + timedelta(days=28)))
    html = make_html(before.head(100), before.tail(100), findings, "window")
    assert "column 'flag'" in html and "column 'number'" in html and "column 'empty'" not in html


def test_a_report_that_is_built_otherwise_is_not_written():
    with pytest.raises(InputError, match="not built as expected"):
        arrange("<html><script>var x</script></html>", [], "")
