"""The sources that params.yaml declares; a mistake in one of them keeps no other from being read."""

from typing import NamedTuple

from pydantic import ValidationError

from tasks.core.errors import InputError
from tasks.core.params import Params
from tasks.core.params_files import explain
from tasks.core.workspace import workspace
from tasks.data.landing import LandingPlace
from tasks.data.places import Places
from tasks.data.sources.files import Files
from tasks.data.sources.http import Http
from tasks.data.sources.source import Source
from tasks.data.sources.sql import Sql
from tasks.data.sources.stream import Stream
from tasks.features.table import Tables

KINDS: dict[str, type[Source]] = {"files": Files, "sql": Sql, "http": Http, "stream": Stream}


class Declared(NamedTuple):
    """The sources by name, and a sentence for each that cannot be used."""

    sources: dict[str, Source]
    troubles: dict[str, str]


def open_sources(params: Params, tables: Tables) -> Declared:
    """All sources.

    Args:
        params: The settings; `sources` counts here.
        tables: As the contract declares them.
    """
    found = Declared({}, {})
    for name in params.sources:
        try:
            found.sources[name] = open_source(name, params, tables)
        except InputError as error:
            found.troubles[name] = str(error)
    return found


def open_source(name: str, params: Params, tables: Tables) -> Source:
    """One source.

    Raises:
        InputError: It is not declared, or not as it must be.
    """
    if name not in params.sources:
        known = ", ".join(params.sources) or "none"
        raise InputError(f"there is no source {name!r}: `sources` of params.yaml declares {known}")
    settings = params.sources[name]
    if (kind := settings.get("kind")) not in KINDS:
        raise InputError(f"sources.{name}.kind must be one of {', '.join(KINDS)}, not {kind!r}")
    try:
        source = KINDS[kind].model_validate(settings | {"name": name})
    except ValidationError as error:
        told = f"sources.{name}: {explain(error, KINDS[kind])}".replace(": : ", ": ").replace("Value error, ", "")
        raise InputError(told) from None
    if source.table not in tables:
        raise InputError(
            f"sources.{name}.table: there is no table {source.table!r} in project/contract.py: "
            f"it declares {', '.join(tables)}"
        )
    if isinstance(source, Files) and overlap(source.path, params.ingest.landing):
        raise InputError(f"sources.{name}.path: {source.path} and {params.ingest.landing}, where files land, overlap")
    nullable = {column for column, declared in tables[source.table].columns.items() if declared.nullable}
    if odd := set(getattr(source, "optional", ())) - nullable:
        raise InputError(
            f"sources.{name}.optional: {min(odd)} is no nullable column of {source.table} in project/contract.py"
        )
    shared = [other for other in params.sources if other != name and params.sources[other].get("table") == source.table]
    if isinstance(source, Sql) and source.count and shared:
        raise InputError(
            f"sources.{name}.count: {shared[0]} gives rows of {source.table}, too, which would count as deleted"
        )
    if isinstance(source, Sql) and source.count and source.cursor not in tables[source.table].columns:
        raise InputError(
            f"sources.{name}.count needs a cursor that is a column of {source.table} in project/contract.py"
        )
    return source


def overlap(one: str, other: str) -> bool:
    """Whether one of two places lies in the other."""
    if ("://" in one) != ("://" in other):
        return False
    if "://" in one:
        first, second = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
        return first.startswith(second) or second.startswith(first)
    here, there = ((workspace().root / place).resolve() for place in (one, other))
    return here.is_relative_to(there) or there.is_relative_to(here)


def open_places(params: Params, tables: Tables) -> Places:
    """The landing place, and those of the sources whose files are taken in where they lie.

    Args:
        params: The settings; `ingest`, `sources` and `data` count here.
        tables: As the contract declares them.
    """
    sources = open_sources(params, tables).sources.values()
    others = {source.beginning: source.place for source in sources if isinstance(source, Files)}
    return Places(LandingPlace(params.ingest.landing), others, params.data.timeout)
