"""The home page: how each model is, with its reports and model cards; static files that load nothing from elsewhere."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from tasks.core.errors import InputError, first_line
from tasks.core.files import atomic_write
from tasks.core.use_case import list_models
from tasks.core.workspace import workspace
from tasks.features.table import POLARS_ERRORS
from tasks.inference.bundle import read_file
from tasks.monitoring.evidently_report import report_path
from tasks.operations.model_card import MODEL_CARD
from tasks.operations.overview import Overview, look_over
from tasks.operations.pictures import draw_history
from tasks.operations.training_page import checks, slices
from tasks.registry.decision_log import read_log
from tasks.registry.entries import Judged
from tasks.registry.state import Log

COLORS = {"promotion": "tab:green", "rollback": "tab:red"}
PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)


class Picture(NamedTuple):
    """An image in the page."""

    uri: str
    text: str  # for who does not see it


def refresh_home_page() -> None:
    """Write the home page at the end of a run; trouble is told, and hinders nothing."""
    try:
        write_home_page()
    except (Exception, *POLARS_ERRORS) as error:  # whatever a record of another version of this code holds, or the disk
        print(f"the home page was not written: {first_line(error)}")


def write_home_page() -> Path:
    """Write index.html and a page for each version into the reports; returns its path."""
    models = [describe_model(read_log(name)) for name in list_models()]
    made_at, place = f"{datetime.now(UTC):%Y-%m-%d %H:%M}", workspace().root.name
    return write_page("index.html", title="Models", models=models, made_at=made_at, workspace=place)


def write_page(name: str, **shown: Any) -> Path:
    """Write one page whole."""
    path = workspace().reports / name
    with atomic_write(path) as part:
        part.write_text(PAGES.get_template("home_page.html").render(**shown), encoding="utf-8")
    return path


def describe_model(log: Log) -> dict[str, Any]:
    """What the home page says of a model, its pages and pictures among it."""
    overview = look_over(log)
    cards = {entry.version: write_version(log, entry) for entry in log.versions.values()}
    paths = {window.window: report_path(log.model, window.window, window.version) for window in overview.windows}
    return {
        "name": log.model,
        "overview": overview,
        "pictures": list(draw_pictures(overview)),
        "cards": {version: name for version, name in cards.items() if name},
        "reports": {window: path.name for window, path in paths.items() if path.is_file()},
    }


def draw_pictures(overview: Overview) -> list[Picture]:
    """Quality by window, with what happened to the champion."""
    name = next((list(window.metrics)[-1] for window in reversed(overview.windows) if window.metrics), "")
    measured = [window for window in overview.windows if name in window.metrics]
    if len(measured) < 2:
        return []
    marks = [(reign.since, f"v{reign.version} {reign.how}", COLORS[reign.how]) for reign in overview.reigns]
    marks += [(of.as_of, f"v{of.version} rejected", "tab:red") for of in overview.verdicts if of.decision == "reject"]
    return [Picture(draw_history(name, measured, sorted(marks)), f"quality of {overview.model} by window")]


def write_version(log: Log, entry: Judged) -> str | None:
    """Write verdict and model card of a version as a page, once; returns its name, or None if its files are lost."""
    name = f"{log.model}-version-{entry.version}-{entry.bundle[:8]}.html"
    if (workspace().reports / name).is_file():
        return name
    try:
        files = [file for file in ("card.json", MODEL_CARD) if file in entry.digests]
        text, *model_card = (read_file(entry.bundle, file, entry.digests[file]).decode() for file in files)
        card = json.loads(text)
        parts = [f"# Version {entry.version} of {log.model}", *checks(card), *slices(card), *model_card]
    except (InputError, KeyError) as damage:  # a card of another version of this code lacks something
        print(f"no page of version {entry.version} of {log.model}: {damage}")
        return None
    markdown = "\n\n".join(parts)
    page = Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown))  # noqa: S704  html is off
    write_page(name, title=f"{log.model} version {entry.version}", page=page)
    return name
