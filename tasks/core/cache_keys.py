"""Keys under which work is kept and found again: what it reads, the code that does it, its settings, and the lock."""

import hashlib
import json
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from tasks.core.provenance import CODE, lock_hash


def make_key(*modules: str, **parts: Any) -> str:
    """A key of 16 hex digits.

    Args:
        modules: Modules of tasks/ that do the work; whatever they import from this repository belongs to them.
        parts: Everything else the result depends on, as JSON.
    """
    facts = {"code": [code_hash(module) for module in modules], "lock": lock_hash(), **parts}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@cache
def code_hash(module: str) -> str:
    """The source of a module and of all that it imports from this repository."""
    finder = ModuleFinder(path=[str(CODE)])
    finder.run_script(str(CODE / "tasks" / f"{module}.py"))
    digest = hashlib.sha256()
    files = {getattr(found, "__file__", None) for found in finder.modules.values()}
    for file in sorted(filter(None, files)):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()
