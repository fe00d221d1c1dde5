"""The page of a run in the Prefect UI: markdown, in which text from data is inert."""

import os
import re

# Where markup, a link, an image or an address begins: split there by a space of no width, it is read as text.
MARKUP = re.compile(r"(?<=<)|(?<=])(?=[(:[])|(?<=:)(?=//)|(?i:(?<=www))(?=\.)|(?=@)")
NO_WIDTH = "\u200b"
GOOD, BAD, LOOK, NOTHING = "\u2714", "\u2718", "\u26a0", "\u2013"  # most fonts have them
REPORTS_URL = "http://127.0.0.1:4201"  # where `ml up` serves home page and reports


def to_table(rows: list[dict[str, str]]) -> str:
    """A markdown table whose cells are inert."""
    if not rows:
        return "none"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    cells = [[inert(cell).replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def inert(text: str, longest: int = 200) -> str:
    """Text from data, cut, on one line; as it is, but no HTML, link or image in it works on a page."""
    short = text if len(text) <= longest else f"{text[:longest]}..."
    return MARKUP.sub(NO_WIDTH, " ".join(short.split()))


def home_link() -> str:
    """The end of each page."""
    return report_link("index.html", "Home page")


def report_link(name: str, text: str) -> str:
    """A link to a file of the reports; a browser opens it wherever `ml up`, or who else serves them, is running."""
    return f"[{text}]({os.environ.get('REPORTS_URL', REPORTS_URL)}/{name})"
