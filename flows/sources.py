"""The sources: ml sources, ml sources test NAME"""

from typing import Literal

from tasks.core.errors import InputError, counted
from tasks.core.params import Params
from tasks.core.use_case import load_tables
from tasks.data.sources.declared import open_source
from tasks.data.sources.fit import broken_rules, fit_columns, undeclared
from tasks.data.sources.overview import SourceState, look_at_sources
from tasks.data.sources.source import Memory
from tasks.data.sources.windowed import Windowed
from tasks.operations.options import Json, UsageError
from tasks.operations.terminal import say, say_json, say_table

ROWS = 10  # that a test reads


def sources(action: Literal["test"] | None = None, name: str | None = None, /, *, as_json: Json = False) -> None:
    """List the sources with how far they are read; `test` shows how ten rows of one fit the contract.

    Args:
        action: test.
        name: The source to test.
    """
    params = Params.load("")
    if action is not None:
        if name is None:
            raise UsageError("name the source: ml sources test NAME")
        tell_fit(name, params, as_json)
        return
    found = look_at_sources(params, load_tables())
    if as_json:
        say_json([state._asdict() for state in found])
    elif not found:
        say(f"files land in {params.ingest.landing}/TABLE/; no other source is declared: docs/how-to/sources.md")
    else:
        say_table([describe(state) for state in found])
        for state in found:
            if state.trouble:
                say(f"{state.name}: {state.trouble}")


def describe(state: SourceState) -> dict[str, str]:
    """A line for a source."""
    return {
        "source": state.name,
        "kind": state.kind,
        "table": state.table,
        "last read": f"{state.read_at:%Y-%m-%d %H:%M:%S}" if state.read_at else "never",
        "rows": f"{state.rows:,}",
        "landed until": f"{state.landed_until:%Y-%m-%d %H:%M:%S}" if state.landed_until else "",
        "behind": state.behind,
        "in the data": state.tell_usable(),
        "state": "in trouble, see below" if state.trouble else "ok",
    }


def tell_fit(name: str, params: Params, as_json: bool) -> None:
    """Read some rows and print how they fit the contract."""
    tables, zone = load_tables(), params.ingest.time_zone
    source = open_source(name, params, tables)
    table = tables[source.table]
    raw = source.sample(ROWS, Memory(table, zone))
    fits, broken, more = fit_columns(raw, table, zone), broken_rules(raw, table, zone), undeclared(raw, table)
    if as_json:
        say_json({"columns": [fit._asdict() for fit in fits], "broken_rules": broken, "undeclared": more})
        return
    if raw.rows.is_empty():
        raise InputError(f"source {name} has no rows yet: they are what a test reads")
    if isinstance(source, Windowed):
        source.check_cursor(raw, Memory(table, zone))
    say(f"{counted(raw.rows.height, 'row')} of {source.table} from {name}")
    say_table([fit._asdict() for fit in fits])
    if more:
        say(f"not in the contract, so left out: {', '.join(more)}")
    for rule, count in broken.items():
        say(f"{count} of {raw.rows.height} rows break {rule}")
    if bad := sum(fit.fit != "ok" for fit in fits):
        raise InputError(f"{bad} of {len(fits)} columns do not fit")
    if broken:
        say("rows that break a rule go to quarantine; more than validation.max_bad_share of a file set it aside")
    reads = "ml consume" if source.kind == "stream" else "ml ingest"
    say(f"all {len(fits)} columns fit: `{reads}` reads it")


if __name__ == "__main__":
    from flows.cli import main

    main("sources")
