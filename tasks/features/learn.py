"""What a features function asks for, learned by calling it once with no rows, and what no features function may do."""

from collections.abc import Mapping

import polars as pl

from tasks.features.build import Features, build_features, make_frame, see_past
from tasks.features.index import Index
from tasks.features.known import Known, Rows
from tasks.features.past import Term
from tasks.features.table import TIME, Table

CHECKED = 5  # rows that are computed alone


def learn_terms(features: Features, tables: Mapping[str, Table], table: str, reserved: set[str]) -> list[Term]:
    """What the function asks of the past.

    Raises:
        ValueError: A name, a type or what it asks for cannot be used.
    """
    empty = {name: declared.schema.create_empty() for name, declared in tables.items()}
    frame, past = see_past(empty[table], pl.Series(dtype=TIME), Index(tables, empty), table)
    values = features(Rows(frame, tables[table].outcomes), Known(past))
    if not isinstance(values, dict) or not values:
        raise ValueError("features() must return a dict: a name and a value for each feature")
    for name in values:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"the feature {name!r} needs a name of letters, digits and underscores, such as dew_point")
        if name in reserved:
            raise ValueError(f"the feature {name!r} takes a name that is used already: choose another")
    make_frame(values, frame)
    for term in past.answers:
        check_key(term, frame, empty[term.table])
    return list(past.answers)


def check_key(term: Term, rows: pl.DataFrame, history: pl.DataFrame) -> None:
    """Refuse a key that could never match."""
    for column, of_row in term.key:
        kinds = rows.schema[of_row], history.schema[column]
        if kinds[0] != kinds[1] and not all(kind.is_integer() for kind in kinds):
            raise ValueError(f"{of_row} of the rows is {kinds[0]} and {column} of {term.table} {kinds[1]}: never equal")


def check_alone(
    features: Features, rows: pl.DataFrame, at: pl.Series, index: Index, table: str, together: pl.DataFrame
) -> None:
    """Compare some rows with themselves computed alone, from tables that end at their prediction time.

    Args:
        features: Of features.py.
        rows: Rows of the table that is predicted.
        at: Their prediction times.
        index: Of all tables.
        table: That which is predicted.
        together: Their features.

    Raises:
        ValueError: A feature looks across the rows asked for, or past the prediction time.
    """
    for place in sorted({rows.height * part // CHECKED for part in range(CHECKED)} if rows.height else ()):
        one, moment = rows[place : place + 1], at[place : place + 1]
        past = Index(index.tables, {name: index.known_before(name, moment.item()) for name in index.frames})
        alone = build_features(features, one, moment, past, table)
        for name in together.columns:
            if not alone[name].equals(together[name][place : place + 1], null_equal=True):
                raise ValueError(
                    f"the feature {name!r} depends on the other rows asked for, or on what is known later: alone it is "
                    f"{alone[name].item()}, with others {together[name][place]}; make it of the row and of `known`"
                )
