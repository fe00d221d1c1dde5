"""Cache keys: hashes of what a result depends on, which is its input, the code, the settings and the lock file."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import polars as pl

from tasks.core.provenance import lock_hash
from tasks.core.workspace import CODE


def make_key(*code: str, **parts: Any) -> str:
    """A key of 16 hex digits.

    Args:
        code: Glob patterns of the source files of the repository that do the work.
        parts: Everything else the result depends on, as JSON.
    """
    facts = {"code": source_hash(code), "lock": lock_hash(), **parts}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@cache
def source_hash(code: Sequence[str]) -> str:
    """The sha256 of the source files that these patterns match, with their names."""
    digest = hashlib.sha256()
    for file in (file for pattern in code for file in sorted(CODE.glob(pattern))):
        digest.update(str(file.relative_to(CODE)).encode() + file.read_bytes())
    return digest.hexdigest()


def digest_rows(frame: pl.DataFrame) -> str:
    """Order-sensitive hash of the rows; not stable across polars versions."""
    digest = hashlib.sha256(str(frame.schema).encode())
    digest.update(frame.hash_rows().to_numpy().tobytes())
    return digest.hexdigest()
