"""What no rule of a row can tell: numbers far from all others, and references to rows that are not there."""

import numpy as np
import polars as pl

from tasks.core.calendar import spell_out_endless
from tasks.core.errors import DataError
from tasks.data.merge import Merge
from tasks.data.validation import POSITION
from tasks.features.table import Table

ENOUGH = 100  # known values, to tell what is usual
TO_DEVIATIONS = 1.4826  # of a normal distribution: standard deviation over median absolute deviation


def find_outliers(merge: Merge, name: str, valid: pl.DataFrame, limit: float) -> pl.DataFrame:
    """Rows with a number too many robust deviations from the median of the table's newest file.

    The robust z-score is that of Iglewicz and Hoaglin (1993): |x - median| / (1.4826 MAD).

    Args:
        merge: The data.
        name: Of the table.
        valid: Its valid rows that landed, with `row number`.
        limit: The greatest score that is believed.

    Returns:
        `row number`, and `broken_rules` such as temp|outlier.
    """
    table, files, far = merge.tables[name], merge.files_of(name), []
    if files:
        known = merge.by_now(files[-1])
        far = [
            far_off(column, known, limit)
            for column, kind in table.empty.schema.items()
            if is_measure(table, column, kind)
        ]
    broken = pl.concat_list([pl.lit(None, pl.String), *far]).list.drop_nulls()
    return valid.select(POSITION, broken_rules=broken).filter(pl.col("broken_rules").list.len() > 0)


def is_measure(table: Table, column: str, kind: pl.DataType) -> bool:
    return kind.is_numeric() and column not in table.key


def far_off(column: str, known: pl.DataFrame, limit: float) -> pl.Expr:
    """The rule that a value breaks; null where it breaks none, or too little is known."""
    values = known[column].drop_nulls().cast(pl.Float64).to_numpy()
    middle = float(np.median(values)) if len(values) >= ENOUGH else 0.0
    spread = float(np.median(np.abs(values - middle))) if len(values) >= ENOUGH else 0.0
    if spread == 0:
        return pl.lit(None, pl.String)
    return pl.when((pl.col(column) - middle).abs() > limit * TO_DEVIATIONS * spread).then(pl.lit(f"{column}|outlier"))


def refuse_orphans(merge: Merge, name: str, file: str, valid: pl.DataFrame) -> None:
    """Refuse a file too many of whose rows refer to rows that are not there.

    Args:
        merge: The data.
        name: Of the table.
        file: What messages call the file.
        valid: Its valid rows.

    Raises:
        DataError: It names column, table and share.
    """
    for column, (other, share) in merge.tables[name].references.items():
        key = merge.tables[other].key[0]
        known = [merge.by_now(file)[key] for file in merge.files_of(other)]
        known += [valid[key]] if other == name else []
        values = valid[column].drop_nulls()
        lacking = values.filter(~values.is_in(pl.concat(known).implode())) if known else values
        if len(lacking) > share * len(values):
            example = spell_out_endless(lacking.head(1).to_frame()).item()
            raise DataError(
                f"{file}: {column} has no row in {other} for {len(lacking):,} of {len(values):,} values, "
                f"such as {example}; {share:.0%} may lack one: deliver {other}, then `ml replay`, or raise "
                "the share in references"
            )
