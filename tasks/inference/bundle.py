"""All files of one model version: written once into the store, fetched by who needs them, checked on every loading."""

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tasks.core.errors import InputError
from tasks.core.store import sha256, store
from tasks.inference.scorer import Scorer

FILES = ("model.onnx", "card.json", "seen.parquet", "probe.parquet")


@dataclass(frozen=True)
class Bundle:
    """A loaded model version."""

    files: dict[str, bytes]  # by name
    scorer: Scorer
    card: dict[str, Any]
    seen: np.ndarray  # digests of the keys it was fitted or tuned on


def write_bundle(
    scorer: Scorer,
    card: dict[str, Any],
    seen: np.ndarray,
    probe: pl.DataFrame,
    files: dict[str, bytes],
) -> tuple[str, dict[str, str]]:
    """Put the files of a model version into the store.

    Args:
        scorer: The model.
        card: What there is to know about the version, as JSON.
        seen: Digests of the keys it was fitted or tuned on.
        probe: A few feature rows, kept with their scores to see that it scores alike wherever it is loaded.
        files: Further files by name, such as what monitoring compares with.

    Returns:
        The name of the bundle, which follows from its content, and the sha256 of each file by name.
    """
    files = files | {
        "model.onnx": scorer.model,
        "card.json": json.dumps(card, indent=2).encode(),
        "seen.parquet": to_parquet(pl.DataFrame({"key": seen}).sort("key")),
        "probe.parquet": to_parquet(probe.with_columns(score=scorer.score(probe))),
    }
    digests = {name: sha256(files[name]) for name in sorted(files)}
    bundle = sha256(json.dumps(digests).encode())[:32]
    for name, content in files.items():
        store().put(f"bundles/{bundle}/{name}", content)
    return bundle, digests


def to_parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def load_bundle(bundle: str, digests: dict[str, str]) -> Bundle:
    """Load a model version, if its files are those that were registered and it still scores alike.

    Raises:
        InputError: A file is missing or changed, or this machine scores the probe rows differently.
    """
    if missing := set(FILES) - digests.keys():
        raise InputError(f"the record of bundle {bundle} names no {min(missing)}: it is not loaded")
    files = {name: read_file(bundle, name, digest) for name, digest in digests.items()}
    scorer, probe = Scorer(files["model.onnx"]), pl.read_parquet(files["probe.parquet"])
    if not np.allclose(scorer.score(probe), probe["score"], rtol=0, atol=1e-5):
        raise InputError(f"{bundle}: the model scores its probe rows differently here than when it was registered")
    seen = pl.read_parquet(files["seen.parquet"])["key"].to_numpy()
    return Bundle(files, scorer, json.loads(files["card.json"]), seen)


def read_file(bundle: str, name: str, digest: str) -> bytes:
    """A file of a bundle, from the store or the copy of it on this machine.

    Raises:
        InputError: It is missing or changed.
    """
    return store().read(f"bundles/{bundle}/{name}", digest)


def digest_keys(frame: pl.DataFrame) -> np.ndarray:
    """64 bits of BLAKE2b for the key of each row, independent of the polars version."""
    parts = frame["key"].struct.unnest().with_columns(pl.selectors.temporal().to_physical())
    keys = parts.select(pl.concat_str(pl.all().cast(pl.String), separator="\x1f", ignore_nulls=True)).to_series()
    digests = (hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.fromiter((int.from_bytes(digest) for digest in digests), np.uint64, len(keys))
