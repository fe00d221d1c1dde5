"""The score sees what changed, and its thresholds know how restless a column is by itself."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import InputError
from tasks.monitoring.drift import REFERENCES, NumericBins, Reference, dump_references, find_drift, fit_references, psi

RANDOM = np.random.default_rng(0)
ROWS, START, DAY = 12_000, datetime(2013, 1, 1, tzinfo=UTC), timedelta(days=1)
TIMES = pl.Series([START + DAY * (row // 200) for row in range(ROWS)])  # 60 days, so eight whole weeks
END = START + 60 * DAY


def frame(**changed) -> pl.DataFrame:
    season = np.sin(np.arange(ROWS) / ROWS * 6)
    columns = {
        "steady": pl.Series(RANDOM.normal(size=ROWS)),
        "restless": pl.Series(RANDOM.normal(size=ROWS) + 3 * season),
        "place": pl.Series(RANDOM.choice(["a", "b", "c"], ROWS, p=[0.6, 0.3, 0.1])),
        "holes": pl.Series(np.where(RANDOM.random(ROWS) < 0.1, np.nan, RANDOM.normal(size=ROWS))).fill_nan(None),
    }
    return pl.DataFrame(columns | changed)


@pytest.fixture(scope="module")
def references():
    return fit_references(frame(), TIMES, END)


def test_the_same_distribution_is_no_drift(references):
    findings = find_drift(frame(), references)
    assert not any(finding.drifted or finding.new_categories for finding in findings)
    assert max(finding.psi for finding in findings) < 0.02


def test_a_restless_column_has_a_wide_threshold_and_a_steady_one_the_least(references):
    assert references["steady"].threshold == references["place"].threshold == 0.1
    assert references["restless"].threshold > 1


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("steady", pl.Series(RANDOM.normal(0.6, size=ROWS))),
        ("place", pl.Series(RANDOM.choice(["a", "b"], ROWS))),
        ("holes", pl.Series([None] * ROWS, dtype=pl.Float64)),
    ],
)
def test_a_shift_a_lost_category_and_missing_values_are_drift_of_that_column_alone(references, column, values):
    findings = find_drift(frame(**{column: values}), references)
    assert [finding.column for finding in findings if finding.drifted] == [column]
    assert findings[0].column == column


def test_a_new_category_and_a_risen_missing_share_are_findings_of_their_own(references):
    place = pl.Series(RANDOM.choice(["a", "b", "c", "new"], ROWS, p=[0.599, 0.3, 0.1, 0.001]))
    findings = {finding.column: finding for finding in find_drift(frame(place=place), references)}
    assert findings["place"].new_categories == ["new"] and not findings["place"].drifted
    assert findings["holes"].missing == pytest.approx(0.1, abs=0.02)
    assert findings["holes"].missing_before == pytest.approx(0.1, abs=0.02)


def test_the_score_is_the_population_stability_index():
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    assert psi(p, q) == pytest.approx(0.1 * np.log(5 / 4) + 0.1 * np.log(4 / 3))
    assert psi(p, p) == 0


def test_columns_that_are_constant_or_empty_are_watched_too():
    columns = pl.DataFrame({"one": [1.0] * ROWS, "none": pl.Series([None] * ROWS, dtype=pl.Float64)})
    references = fit_references(columns, TIMES, END)
    assert not any(finding.drifted for finding in find_drift(columns, references))
    assert [f.column for f in find_drift(columns.with_columns(one=2.0), references) if f.drifted] == ["one"]


@pytest.mark.parametrize("usual", [1.0, 0.0, 9.99])
def test_a_value_that_most_rows_have_is_told_from_those_below_and_those_above(usual):
    mostly = pl.DataFrame({"flag": np.where(RANDOM.random(ROWS) < 0.95, usual, usual - 1)})
    references = REFERENCES.validate_json(dump_references(fit_references(mostly, TIMES, END)))
    assert not find_drift(mostly, references)[0].drifted
    for broken in (usual - 1, usual + 1):
        assert find_drift(mostly.with_columns(flag=pl.lit(broken)), references)[0].drifted


def test_a_row_of_years_before_moves_no_threshold():
    rows, stray = frame().select("steady"), pl.DataFrame({"steady": [50.0]})
    times = pl.concat([pl.Series([START - 730 * DAY]), TIMES])
    assert thresholds(pl.concat([stray, rows]), times, END)["steady"] == 0.1


@pytest.mark.parametrize("a_day", [1, 3])
def test_of_few_rows_a_day_a_shift_is_still_seen(a_day):
    times, random = pl.Series([START + DAY * (row // a_day) for row in range(730 * a_day)]), np.random.default_rng(2)
    columns = pl.DataFrame({str(number): random.normal(size=len(times)) for number in range(10)})
    references = fit_references(columns, times, START + 730 * DAY)
    window = pl.DataFrame({name: random.normal(size=28 * a_day) for name in columns.columns})
    as_before, shifted = (find_drift(rows, references) for rows in (window, window.select(pl.all() + 1.5)))
    assert sum(finding.drifted for finding in as_before) <= 2 and sum(finding.drifted for finding in shifted) >= 9


def thresholds(rows: pl.DataFrame, times: pl.Series, end: datetime) -> dict[str, float]:
    return {name: reference.threshold for name, reference in fit_references(rows, times, end).items()}


def test_a_week_that_was_not_over_enters_no_threshold():
    odd = pl.DataFrame({"steady": pl.Series([50.0] * 30)})  # the first hours of a day, and nothing like the others
    columns = frame().select("steady").head(56 * 200)
    whole = thresholds(columns, TIMES.head(56 * 200), START + 56 * DAY)
    rows, last_day = pl.concat([columns, odd]), pl.Series([START + 56 * DAY] * 30)
    times = pl.concat([TIMES.head(56 * 200), last_day])
    early = START + 56 * DAY + timedelta(hours=5)
    assert thresholds(rows, times, early)["steady"] == whole["steady"] == 0.1
    assert thresholds(rows, times, START + 63 * DAY - timedelta(seconds=1))["steady"] == 0.1


def test_a_week_that_ends_with_the_rows_is_a_whole_one():
    odd = pl.DataFrame({"steady": pl.Series([50.0] * 7 * 200)})
    rows, times = pl.concat([frame().select("steady").head(49 * 200), odd]), TIMES.head(56 * 200)
    assert thresholds(rows, times, START + 56 * DAY)["steady"] > 1
    assert thresholds(rows, times, START + 56 * DAY - timedelta(seconds=1))["steady"] < 0.5


def test_the_end_alone_says_which_weeks_are_whole_and_no_day_after_them_changes_a_threshold():
    rows = frame()
    eight = thresholds(rows, TIMES, START + 56 * DAY)
    for end in (END, END + timedelta(hours=5), START + 63 * DAY - timedelta(seconds=1)):
        assert thresholds(rows, TIMES, end) == eight


def test_a_week_whose_labels_have_not_come_enters_no_threshold():
    odd = pl.DataFrame({"steady": pl.Series([50.0] * 30)})
    rows, last_day = pl.concat([frame().select("steady").head(56 * 200), odd]), pl.Series([START + 56 * DAY] * 30)
    late = pl.concat([TIMES.head(56 * 200), last_day])
    assert thresholds(rows, late, START + 63 * DAY)["steady"] == 0.1


def test_a_week_with_hardly_any_rows_enters_no_threshold():
    rows = frame().select("steady").head(56 * 200)
    outage = pl.int_range(pl.len()).is_between(14 * 200 + 20, 21 * 200 - 1)
    kept = rows.with_columns(times=TIMES.head(56 * 200)).with_columns(
        steady=pl.when(pl.int_range(pl.len()).is_between(14 * 200, 14 * 200 + 19)).then(50.0).otherwise("steady")
    )
    few = kept.filter(~outage)
    assert thresholds(few.select("steady"), few["times"], START + 56 * DAY)["steady"] == 0.1


def test_a_column_may_be_called_count():
    columns = frame().select(count="place")
    assert not find_drift(columns, fit_references(columns, TIMES, END))[0].drifted


def test_infinite_values_are_binned_and_read_back():
    values = pl.Series(np.where(np.arange(ROWS) % 5 == 0, np.inf, RANDOM.normal(size=ROWS)))
    columns = pl.DataFrame({"ratio": values})
    written = dump_references(fit_references(columns, TIMES, END))
    assert not find_drift(columns, REFERENCES.validate_json(written))[0].drifted


def test_a_reference_that_would_not_read_back_is_told_by_its_column():
    endless = Reference(bins=NumericBins(edges=[]), shares=[0, 1], threshold=float("inf"))
    with pytest.raises(InputError, match="the reference of ratio does not read back as it was"):
        dump_references({"ratio": endless})
