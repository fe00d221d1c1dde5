"""The model card of a version (Mitchell et al., 2019): what it is, how good, its limits, and where it comes from."""

from typing import Any

from tasks.evaluation.verdict import Verdict
from tasks.operations.markdown import inert, to_table
from tasks.operations.pictures import draw_calibration, draw_importance, draw_scores
from tasks.operations.training_page import metric_rows

MODEL_CARD = "model_card.md"  # its file in a bundle
SHOWN = 20  # features, and values of a slice


def write_model_card(card: dict[str, Any]) -> str:
    """The card in markdown, with its pictures inside."""
    verdict, scores, params = Verdict.model_validate(card["verdict"]), card["scores"], card["params"]
    parts = [
        f"# Model card: {card['model']}, trained as of {card['as_of'][:10]}",
        f"It predicts the {'probability' if card['target'] == 'Boolean' else 'value'} of the target that "
        f"`project/{card['model'].replace('-', '_')}/target.py` declares. Hyperparameters: "
        f"{inert(str(card['hyperparameters']), 500)}.",
        f"The gate said **{verdict.decision}**: {inert(verdict.reason, 1000)}.",
        "## Data",
        to_table(data_rows(card)),
        f"## Metrics on {card['rows']['gate']:,} rows that it has not seen",
        to_table(metric_rows(verdict, "this version", "champion then")),
    ]
    for column, values in scores["slices"].items():
        parts += [f"### By {inert(column)}", to_table(slice_rows(values))]
    parts += [
        "## Calibration and scores",
        f"![mean outcome by mean score]({draw_calibration(scores['calibration'])})",
        f"![how scores lie]({draw_scores(scores['histogram'])})",
    ]
    if card["importance"]:
        parts += ["## Importance", f"![importance]({draw_importance(dict(list(card['importance'].items())[:SHOWN]))})"]
    parts += ["## Limits", *limits(card, params["gate"]), "## Lineage", to_table(lineage_rows(card))]
    return "\n\n".join(parts)


def data_rows(card: dict[str, Any]) -> list[dict[str, str]]:
    """Rows and time of each part of the data."""
    return [
        {
            "part": name,
            "rows": f"{rows:,}",
            "from": card["intervals"][name][0][:16],
            "to": card["intervals"][name][1][:16],
        }
        for name, rows in card["rows"].items()
    ]


def slice_rows(values: dict[str, dict[str, float]]) -> list[dict[str, str]]:
    """Rows and mean loss of the most frequent values."""
    shown = list(values.items())[:SHOWN]
    return [{"value": name, "rows": f"{of['rows']:,}", "mean loss": f"{of['loss']:.4f}"} for name, of in shown]


def limits(card: dict[str, Any], gate: dict[str, Any]) -> list[str]:
    """What was not shown of it."""
    first, last = card["intervals"]["gate"]
    few = [
        f"{column} {value}"
        for column, values in card["scores"]["slices"].items()
        for value, of in values.items()
        if of["rows"] < gate["slice_min_rows"]
    ]
    lines = [
        f"- It was judged on {first[:10]} to {last[:10]} alone; monitoring tells whether that still holds.",
        f"- It knows data from {card['intervals']['fit'][0][:10]} to {card['intervals']['fit'][1][:10]}; seasons and "
        "values outside of it are extrapolation.",
        "- Rows whose outcome was not known yet are left out: where slow outcomes differ from fast ones, the newest "
        "days hold the fast ones alone.",
        "- The importance of a feature is by how much the mean log loss, or squared error, rises when it is shuffled: "
        "how much the model uses it, not what causes the outcome.",
    ]
    if few:
        lines += [f"- Not judged, too few rows: {inert(', '.join(few[:SHOWN]), 500)}."]
    return ["\n".join(lines)]


def lineage_rows(card: dict[str, Any]) -> list[dict[str, str]]:
    """Where it comes from: data, code, study, person."""
    code = f"{card['commit']}{' with local changes' if card['dirty'] else ''}"
    facts = {
        "model file (sha256)": card["sha256"],
        "data version": card["data_version"],
        "commit": code,
        "lock file (sha256)": card["lock"],
        "study": f"{card['study']}, {card['trials']} trials, seed {card['params']['seed']}",
        "trained by": f"{card['by']}, cause {card['cause']}",
        "judged against": f"version {card['judged_against']}" if card["judged_against"] else "no champion",
    }
    return [{"": name, "is": str(value)} for name, value in facts.items()]
