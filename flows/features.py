"""The features of the newest month, or those of one row with what they were made of:
ml features [COLUMN=VALUE ...]"""

from datetime import datetime
from typing import Annotated, Any

import polars as pl
from cyclopts import Parameter

from tasks.core.calendar import spell_out_endless
from tasks.core.errors import InputError, counted
from tasks.core.params import Validation
from tasks.core.use_case import UseCase, load_use_case
from tasks.data.clock import resolve_as_of
from tasks.data.context import Context, read_month
from tasks.data.reader import Month, months, read_event_rows
from tasks.data.snapshot import Snapshot, pull_snapshot
from tasks.features.describe import describe_features, explain_row
from tasks.features.index import KNOWN_AT, Index
from tasks.features.past import Term
from tasks.features.table import POLARS_ERRORS
from tasks.operations.options import AsOf, DataRev, Model, read_given
from tasks.operations.terminal import say
from tasks.registry.decision_log import read_log
from tasks.registry.versions import load_champion

SHOWN = 5  # rows of the past for each term


def features(
    *conditions: Annotated[str, Parameter(help="COLUMN=VALUE of a row, as many as it takes; none lists the features")],
    as_of: AsOf = None,
    data_rev: DataRev = None,
    model: Model = None,
) -> None:
    """Print the features of a model, or those of one row."""
    params = read_given(model)
    use_case = load_use_case(params.model)
    snapshot = pull_snapshot.fn(data_rev, params.data)
    as_of = resolve_as_of(as_of, snapshot, use_case, params.clock)
    wanted = [parse_condition(use_case, condition) for condition in conditions]
    month, context = find_month(snapshot, use_case, as_of, wanted, params.validation)
    if wanted:
        row = context.rows.filter(*wanted).sort(use_case.event_time).tail(1)
        say(*tell_row(use_case, row, context.index))
        return
    champion = load_champion.fn(read_log(params.model), as_of)
    importance = champion.bundle.card["importance"] if champion else {}
    print(f"{use_case.model}: {counted(context.rows.height, 'row')} of {month[0]:%Y-%m}")
    say(*tell_features(use_case, context, importance))


def parse_condition(use_case: UseCase, text: str) -> pl.Expr:
    """COLUMN=VALUE as a condition on a row to predict."""
    column, _, value = text.partition("=")
    kind = use_case.predicted.empty.schema.get(column)
    if kind is None:
        where = f"a column of {use_case.rows}, such as {use_case.key[0]}=..."
        raise InputError(f"{text!r}: give COLUMN=VALUE without spaces around the =, with {where}")
    try:
        if kind == pl.Boolean:
            return pl.col(column) == {"true": True, "false": False}[value.lower()]
        found = pl.Series([value]).str.to_datetime(time_zone="UTC") if kind.is_temporal() else pl.Series([value])
        return pl.col(column) == found.cast(kind).item()
    except (*POLARS_ERRORS, KeyError):
        raise InputError(f"{text!r}: {column} is {kind}, and {value!r} is none") from None


def find_month(
    snapshot: Snapshot, use_case: UseCase, as_of: datetime, wanted: list[pl.Expr], validation: Validation
) -> tuple[Month, Context]:
    """The newest month with a valid row that meets all conditions; without conditions a whole one, if there is."""
    spans = months(snapshot, use_case)
    for span in sorted(spans, key=lambda span: (bool(wanted) or span[1] <= as_of, span), reverse=True):
        if read_event_rows(snapshot, use_case, *span).filter(use_case.prediction_time < as_of, *wanted).height:
            context = read_month(snapshot, use_case, span, as_of, validation)
            if context.rows.filter(*wanted).height:
                return span, context
    raise InputError(
        f"no valid row of {use_case.rows} with a prediction time before {as_of:%Y-%m-%d %H:%M} meets these conditions"
    )


def tell_features(use_case: UseCase, context: Context, importance: dict[str, float]) -> list[str]:
    """A line for each feature."""
    use_case.check_alone(context.rows, context.index, use_case.build_features(context.rows, context.index))
    found = describe_features(use_case.features, context.rows, context.index)
    width = max(len(feature.name) for feature in found)
    lines = [f"{'feature':<{width}}  {'nulls':>6}  {'importance':>10}  {'CPU ms':>6}  made of"]
    for f in found:
        rise = f"{importance[f.name]:.4f}" if f.name in importance else "-"
        made_of = ", ".join(f.sources) or "nothing"
        odd = f"; INFINITE in {f.infinite:,} rows" if f.infinite else ""
        lines.append(f"{f.name:<{width}}  {f.nulls:6.1%}  {rise:>10}  {f.milliseconds:6.1f}  {made_of}{odd}")
    return lines


def tell_row(use_case: UseCase, row: pl.DataFrame, index: Index) -> list[str]:
    """The row, its features, and for each thing that they ask of the past the rows that it was found in."""
    moment = row.select(use_case.prediction_time).item()
    made = use_case.build_features(row, index)
    lines = [f"{use_case.rows}: {tell_values(row, use_case.key)}; prediction asked for at {moment:%Y-%m-%d %H:%M}", ""]
    lines += [f"{name} = {tell_value(value)}" for name, value in made.row(0, named=True).items()]
    for terms, rows in explain_row(use_case.features, row, index):
        lines += ["", *dict.fromkeys(map(str, terms))]
        lines += [f"  {tell_known(use_case, terms, past)}" for past in rows.head(SHOWN).iter_slices(1)] or ["  nothing"]
        lines += [f"  and {rows.height - SHOWN:,} rows before"] if rows.height > SHOWN else []
    return lines


def tell_known(use_case: UseCase, terms: list[Term], row: pl.DataFrame) -> str:
    """A row of the past: when it became known, what was asked of it, and its key."""
    table, known = use_case.tables[terms[0].table], row[KNOWN_AT].item()
    when = f"known {known:%Y-%m-%d %H:%M}  " if known and table.row_known_at is not None else ""
    asked = dict.fromkeys(name for term in terms for name in term.columns if name not in table.key)
    return f"{when}{tell_values(row, [*asked, *table.key])}"


def tell_values(row: pl.DataFrame, columns: list[str]) -> str:
    """Some values of a row."""
    shown = spell_out_endless(row.select(columns)).row(0, named=True)
    return ", ".join(f"{name}={tell_value(value)}" for name, value in shown.items())


def tell_value(value: Any) -> str:
    """A value in short."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    from flows.cli import main

    main("features")
