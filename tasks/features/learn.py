"""What a features function asks for, learned by calling it once with no rows, and what no features function may do."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from tasks.features.build import Features
from tasks.features.index import Index
from tasks.features.past import Term
from tasks.features.table import Table

CHECKED = 5  # rows that are computed alone


def learn_terms(features: Features, tables: Mapping[str, Table], reserved: set[str]) -> Features:
    """The features with all that they ask of the past.

    Raises:
        ValueError: A name, a type or what they ask for cannot be used.
    """
    empty = {name: declared.empty for name, declared in tables.items()}
    values, past = features.values(empty[features.table], Index(tables, empty))
    for name in values:
        if not str(name).isidentifier():
            raise ValueError(f"the feature {name!r} needs a name of letters, digits and underscores, such as dew_point")
        if name in reserved:
            raise ValueError(f"the feature {name!r} takes a name that is used already: choose another")
    for term in past.answers:
        check_key(term, empty[features.table], empty[term.table])
    return replace(features, terms=frozenset(past.answers))


def check_key(term: Term, rows: pl.DataFrame, history: pl.DataFrame) -> None:
    """Refuse a key that could never match."""
    for column, of_row in term.key:
        kinds = rows.schema[of_row], history.schema[column]
        if kinds[0].is_nested():
            raise ValueError(f"{of_row} is {kinds[0]}: find rows of {term.table} by text, numbers or times")
        if kinds[0] != kinds[1] and not all(kind.is_integer() for kind in kinds):
            raise ValueError(f"{of_row} of the rows is {kinds[0]} and {column} of {term.table} {kinds[1]}: never equal")


def check_alone(features: Features, rows: pl.DataFrame, index: Index, together: pl.DataFrame) -> None:
    """Compare some rows with themselves computed alone, from tables that end at their prediction time.

    Args:
        features: What is computed.
        rows: Rows of the table that is predicted.
        index: Of all tables.
        together: Their features.

    Raises:
        ValueError: A feature looks across the rows asked for, or past the prediction time.
    """
    for place in sorted({rows.height * part // CHECKED for part in range(CHECKED)}) if rows.height else []:
        one = rows[place : place + 1]
        moment = one.select(features.prediction_time).item()
        past = Index(index.tables, {name: index.known_before(name, moment) for name in index.frames})
        alone = features.build(one, past)
        for name in together.columns:
            if not alone[name].equals(together[name][place : place + 1], null_equal=True):
                raise ValueError(
                    f"the feature {name!r} depends on the other rows asked for, or on what is known later: alone it is "
                    f"{alone[name].item()}, with others {together[name][place]}; make it of the row and of `known`"
                )
