"""The rules that rows in quarantine break, in words."""

from typing import Any

from tasks.features.table import Table

OF_COLUMNS = {  # the name that dataframely gives a rule, and what is wrong with the value; {} is the bound
    "nullability": "is empty",
    "min": "is less than {}",
    "min_exclusive": "is not more than {}",
    "max": "is more than {}",
    "max_exclusive": "is not less than {}",
    "min_length": "is shorter than {} bytes",
    "max_length": "is longer than {} bytes",
    "regex": "does not match {}",
    "is_in": "is none of {}",
    "unique": "is there twice",
    "dtype": "does not fit its type",
    "outlier": "lies too far from the usual",
}
OF_ROWS = {
    "primary_key": "another row of the file has the same key",
    "times": "the times of its Table cannot be computed",
    "horizon": "it lies too far from the data, or from now",
}


def put_in_words(table: Table | None, rule: str) -> str:
    """A rule with what is wrong with the row, such as "distance|max (is more than 10000)"; a rule of your own as it is.

    Args:
        table: As the contract declares it; None where it does not any more.
        rule: Its name.
    """
    column, _, kind = rule.rpartition("|")
    words = (OF_COLUMNS if column else OF_ROWS).get(kind)
    if words is None:
        return rule
    bound: Any = table and getattr(table.columns.get(column), kind, None)
    return f"{rule} ({words.format('its bound' if bound is None else bound)})"
