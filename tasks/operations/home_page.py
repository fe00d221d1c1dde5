"""The home page: how each model is, with its reports and model cards; static files that load nothing from elsewhere."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from tasks.core.errors import InputError, exit_on_input_error
from tasks.core.files import atomic_write
from tasks.core.use_case import list_models
from tasks.core.workspace import workspace
from tasks.operations.model_card import MODEL_CARD
from tasks.operations.overview import Overview, look_over
from tasks.operations.pictures import draw_history
from tasks.operations.training_page import evidence
from tasks.registry.bundle import read_file
from tasks.registry.decision_log import read_log
from tasks.registry.entries import Judged
from tasks.registry.state import Log

COLORS = {"promotion": "tab:green", "rollback": "tab:red"}
PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)


class Picture(NamedTuple):
    """An image in the page."""

    uri: str
    text: str  # for who does not see it


def write_home_page() -> Path | None:
    """Write index.html and a page for each version into the reports; trouble is told, and hinders nothing."""
    try:
        models = [describe_model(read_log(name)) for name in list_models()]
        made_at, place = f"{datetime.now(UTC):%Y-%m-%d %H:%M}", workspace().root.name
        return write_page("index.html", title="Models", models=models, made_at=made_at, workspace=place)
    except (InputError, OSError) as error:
        print(f"the home page was not written: {error}")
        return None


def write_page(name: str, **shown: Any) -> Path:
    """Write one page whole."""
    path = workspace().reports / name
    with atomic_write(path) as part:
        part.write_text(PAGES.get_template("home_page.html").render(**shown), encoding="utf-8")
    return path


def describe_model(log: Log) -> dict[str, Any]:
    """What the page says of a model; further pictures go into `pictures`."""
    overview = look_over(log)
    cards = {entry.version: write_version(log, entry) for entry in log.versions.values()}
    reports = {path.name.split("-version-")[0][-10:]: path.name for path in find_reports(log.model)}
    return {
        "name": log.model,
        "overview": overview,
        "pictures": list(draw_pictures(overview)),
        "cards": {version: name for version, name in cards.items() if name},
        "reports": reports,
    }


def draw_pictures(overview: Overview) -> list[Picture]:
    """Quality by window, with what happened to the champion."""
    measured = [window for window in overview.windows if window.metrics]
    if not measured:
        return []
    marks = [(reign.since, f"v{reign.version} {reign.how}", COLORS[reign.how]) for reign in overview.reigns]
    marks += [(of.as_of, f"v{of.version} rejected", "tab:red") for of in overview.verdicts if of.decision == "reject"]
    return [Picture(draw_history(measured, sorted(marks)), f"quality of {overview.model} by window")]


def find_reports(model: str) -> list[Path]:
    """The drift reports of a model, the newest version of a window last."""
    return sorted(workspace().reports.glob(f"{model}-????-??-??-version-*.html"))


def write_version(log: Log, entry: Judged) -> str | None:
    """Write verdict and model card of a version as a page, once; returns its name, or None if its files are lost."""
    name = f"{log.model}-version-{entry.version}-{entry.bundle[:8]}.html"
    if (workspace().reports / name).is_file():
        return name
    try:
        texts = {
            file: read_file(entry.bundle, file, entry.digests[file])
            for file in ("card.json", MODEL_CARD)
            if file in entry.digests
        }
    except InputError as damage:
        print(f"no page of version {entry.version} of {log.model}: {damage}")
        return None
    parts = [
        f"# Version {entry.version} of {log.model}: {entry.decision}",
        *evidence(entry.version, json.loads(texts["card.json"])),
    ]
    markdown = "\n\n".join([*parts, texts.get(MODEL_CARD, b"").decode()])
    page = Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown))  # noqa: S704  html is off
    write_page(name, title=f"{log.model} version {entry.version}", page=page)
    return name


if __name__ == "__main__":
    with exit_on_input_error():
        write_home_page()
