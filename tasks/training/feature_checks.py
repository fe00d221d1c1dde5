"""What no model can learn from, or the champion not be compared on, is told before a model is tuned."""

import polars as pl

from tasks.core.errors import InputError
from tasks.core.use_case import META
from tasks.registry.versions import Champion
from tasks.training.split import Sets

MANY = 1_000  # different values of a text feature


def check_features(sets: Sets, champion: Champion | None = None) -> None:
    """Refuse features that no model can be fitted on, and warn of texts with very many values.

    Args:
        sets: Of the training.
        champion: Who the challenger is compared with: it needs the features that it was fitted on.

    Raises:
        InputError: A feature is infinite somewhere, has no value in the train set, or is missing for the champion.
    """
    if champion:
        champion.bundle.scorer.require(sets.gate)
    for name, kind in sets.fit.drop(META).schema.items():
        if kind == pl.String:
            warn_of_many(name, sets.fit[name])
        else:
            refuse_infinite(name, pl.concat([sets.fit[name], sets.gate[name]]))
        if sets.train[name].null_count() == sets.train.height:
            raise InputError(describe_empty(name, sets))


def refuse_infinite(name: str, values: pl.Series) -> None:
    """Only finite numbers can be learned from."""
    if infinite := int(values.is_infinite().sum()):
        raise InputError(
            f"features.py: {name} is infinite in {infinite:,} of {len(values):,} rows: divide only where the divisor "
            "is not 0, with np.where for instance, and give np.nan elsewhere"
        )


def warn_of_many(name: str, values: pl.Series) -> None:
    """A category that comes up a few times teaches a model little."""
    if (count := values.n_unique()) > MANY:
        print(
            f"warning: the text feature {name} has {count:,} different values in {len(values):,} rows; what was known "
            "of each, such as known.TABLE.by(...).last(...).mean(...), says more than its name"
        )


def describe_empty(name: str, sets: Sets) -> str:
    """What to do about a feature that is null wherever a trial is fitted."""
    valued = sets.fit.filter(pl.col(name).is_not_null())
    first = f"its first one is of {valued['event_time'].min():%Y-%m-%d}" if valued.height else "nor later"
    return (
        f"features.py: {name} has no value in the train set, {first}: leave it out until there are some, or train "
        "as of a later day"
    )
