"""The feature frame: what identifies and times a row, its target, and its features."""

import hashlib

import polars as pl

META = ["key", "event_time", "known_at", "target", "watched"]  # all other columns of a feature frame are features


def watched_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """What a check looks at: the features, and what project/contract.py declares as watched beside them."""
    features = frame.drop(META)
    return features if frame["watched"].dtype == pl.Null else features.hstack(frame["watched"].struct.unnest())


def digest_rows(frame: pl.DataFrame) -> str:
    """The content of a frame, in its order, as a hash that holds for one polars version."""
    digest = hashlib.sha256(str(frame.schema).encode())
    digest.update(frame.hash_rows().to_numpy().tobytes())
    return digest.hexdigest()
