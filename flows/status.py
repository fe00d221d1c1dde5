"""How each model is: ml status"""

from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tasks.core.params import Params
from tasks.core.use_case import list_models, load_tables
from tasks.data.copies import tell_copies, tell_quarantine
from tasks.operations.next_runs import NextRun, next_runs
from tasks.operations.options import Json, Model
from tasks.operations.overview import Overview, look_over
from tasks.operations.terminal import say, say_json, say_table
from tasks.registry.decision_log import read_log

if TYPE_CHECKING:
    from tasks.data.sources.overview import SourceState

SHOWN, WHY = 4, 160  # windows of each model, and characters of a reason


def status(
    *, model: Annotated[Model, Parameter(help="only this one")] = None, html: bool = False, as_json: Json = False
) -> None:
    """Print how each model is, or one.

    Args:
        html: Write the home page instead, store/reports/index.html.
    """
    if html:
        from tasks.operations.home_page import write_home_page

        say(f"wrote {write_home_page()}")
        return
    models = [look_over(read_log(name)) for name in ([model] if model else list_models())]
    runs, data, held = next_runs(), tell_copies(), tell_quarantine()
    found_sources = look_at_declared()
    if as_json:
        say_json(
            {
                "models": [describe(found) for found in models],
                "data": data,
                "quarantine": held,
                "sources": [source._asdict() for source in found_sources],
                "next_runs": runs and [run._asdict() for run in runs],
            }
        )
        return
    for found in models:
        tell_model(found)
    if not models:
        print("no model yet: ml new NAME begins one\n")
    say(f"data  {data}")
    if held:
        say(f"      {held}")
    for source in found_sources:
        say(f"      {source.name}: {source.trouble or source.tell_usable()}")
    tell_runs(runs)


def look_at_declared() -> "list[SourceState]":
    """How far each source is read, where one is declared; it is asked nothing."""
    params = Params.load("")
    if not params.sources:
        return []
    from tasks.data.sources.overview import look_at_sources  # it loads what reads them

    return look_at_sources(params, load_tables(), ask=False)


def describe(found: Overview) -> dict:
    """An overview as JSON takes it."""
    lists = {name: [row._asdict() for row in getattr(found, name)] for name in ("reigns", "windows", "verdicts")}
    return found._asdict() | lists | {"champion": found.champion and found.champion._asdict()}


def tell_model(found: Overview) -> None:
    """Print a model: champion, newest verdict, what waits, windows."""
    if champion := found.champion:
        since = f"version {champion.version} since {champion.since}, {champion.how} by {champion.by}"
        say(f"{found.model}: champion {since}")
    else:
        say(f"{found.model}: no champion yet")
    if found.predecessor:
        say(f"  a rollback returns to version {found.predecessor}")
    if found.verdicts:
        newest = found.verdicts[-1]
        why = shorten(newest.why, WHY, placeholder=" ...")
        say(f"  newest verdict: version {newest.version}, as of {newest.as_of}: {newest.decision}: {why}")
    else:
        say(f"  nothing was trained: ml train --model {found.model}")
    for sentence in found.waiting:
        say(f"  {sentence}")
    if found.windows:
        say_table([window.describe() for window in found.windows[-SHOWN:]])
    print()


def tell_runs(runs: list[NextRun] | None) -> None:
    """Print what runs next."""
    if runs is None:
        print("next  no Prefect server answers (PREFECT_API_URL): nothing runs by itself; `ml up` starts one")
    elif not runs:
        print("next  the server has no scheduled runs: deploy them, prefect --no-prompt deploy --all")
    else:
        say_table([{"next": run.at, "deployment": run.deployment, "run": run.run} for run in runs])


if __name__ == "__main__":
    from flows.cli import main

    main("status")
