"""All files of one model version, written once and checked on every loading."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core.errors import InputError
from tasks.inference.scorer import Scorer

FILES = ("model.onnx", "card.json", "seen.parquet", "probe.parquet")


@dataclass(frozen=True)
class Bundle:
    """A loaded model version."""

    folder: Path
    scorer: Scorer
    card: dict[str, Any]
    seen: np.ndarray  # digests of the keys it was fitted or tuned on


def write_bundle(
    folder: Path,
    scorer: Scorer,
    card: dict[str, Any],
    seen: np.ndarray,
    probe: pl.DataFrame,
    files: dict[str, bytes],
) -> dict[str, str]:
    """Write the files of a model version.

    Args:
        folder: Made here.
        scorer: The model.
        card: What there is to know about the version, as JSON.
        seen: Digests of the keys it was fitted or tuned on.
        probe: A few feature rows, kept with their scores to see that it scores alike wherever it is loaded.
        files: Further files by name, such as what monitoring compares with.

    Returns:
        The sha256 of each file by name.
    """
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(scorer.model)
    (folder / "card.json").write_text(json.dumps(card, indent=2))
    pl.DataFrame({"key": seen}).sort("key").write_parquet(folder / "seen.parquet")
    probe.with_columns(score=scorer.score(probe)).write_parquet(folder / "probe.parquet")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


def load_bundle(folder: Path, digests: dict[str, str]) -> Bundle:
    """Load a model version, if its files are those that were registered and it still scores alike.

    Raises:
        InputError: A file is missing or changed, or this machine scores the probe rows differently.
    """
    if missing := set(FILES) - digests.keys():
        raise InputError(f"the record of {folder} names no {min(missing)}: it is not loaded")
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing: restore it from a backup, or roll back to another version")
        if sha256(path) != digest:
            raise InputError(f"{path} is not the file that was registered (sha256 differs): it is not loaded")
    scorer = Scorer((folder / "model.onnx").read_bytes())
    probe = pl.read_parquet(folder / "probe.parquet")
    if not np.allclose(scorer.score(probe), probe["score"], rtol=0, atol=1e-5):
        raise InputError(f"{folder}: the model scores its probe rows differently here than when it was registered")
    seen = pl.read_parquet(folder / "seen.parquet")["key"].to_numpy()
    return Bundle(folder, scorer, json.loads((folder / "card.json").read_text()), seen)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest_keys(frame: pl.DataFrame) -> np.ndarray:
    """64 bits of BLAKE2b for the key of each row, independent of the polars version."""
    parts = frame["key"].struct.unnest().with_columns(pl.selectors.temporal().to_physical())
    keys = parts.select(pl.concat_str(pl.all().cast(pl.String), separator="\x1f", ignore_nulls=True)).to_series()
    digests = (hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.fromiter((int.from_bytes(digest) for digest in digests), np.uint64, len(keys))
