"""Rows of an API that answers with JSON, page by page."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import urljoin, urlsplit

import httpx
import polars as pl
from pydantic import model_validator

from tasks.core.errors import InputError, first_line
from tasks.core.secrets import read_secrets
from tasks.core.sections import Span, setting
from tasks.data.formats import Raw
from tasks.data.sources.patient import Patient
from tasks.data.sources.source import Memory, fill_optional
from tasks.data.sources.windowed import Windowed

Page = tuple[str, dict[str, str]]  # address and parameters


class Http(Windowed):
    """Pages by number, by offset, by a link or by a token in the answer; or all rows at once."""

    kind: Literal["http"]
    url: str = setting(..., "of the first page, without a secret")
    items: str = setting("", "where the answer holds the rows, such as data.items; empty: it is the list of them")
    optional: list[str] = setting([], "columns that rows may leave out, which are null then")
    params: dict[str, str] = setting({}, "of the address, sent with each request")
    params_from: dict[str, str] = setting({}, "the same, each by the variable that holds it: {key: API_KEY}")
    headers: dict[str, str] = setting({}, "sent with each request")
    headers_from: dict[str, str] = setting(
        {}, "the same, each by the variable that holds it: {Authorization: API_AUTH}"
    )
    since_param: str = setting("since", "the parameter for the cursor from which on rows are wanted")
    until_param: str | None = setting(None, "the one for the cursor before which; null: there is none, so no windows")
    time_format: str = setting("%Y-%m-%dT%H:%M:%SZ", "of these two, in UTC")
    pages: Literal["none", "number", "offset", "link", "token"] = setting("none", "how the next page is asked for")
    page_param: str = setting("page", "the parameter for number, offset or token")
    first_page: int = setting(1, "the number of the first page", ge=0)
    next: str = setting("next", "where the answer holds link or token; for link the header Link counts, too")
    timeout: Span = setting("10s", "of one request")
    patience: Span = setting("50s", "so long a page that does not come, or as 503, is asked for again")
    rate: float | None = setting(None, "requests a second, at most", gt=0)

    @model_validator(mode="after")
    def _is_an_address(self) -> Self:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ValueError("url must be http://... or https://...")
        return self

    @property
    def has_windows(self) -> bool:
        return self.until_param is not None

    def fetch(self, memory: Memory, since: datetime | None, until: datetime | None) -> Raw:
        rows, pages = self._read_once(since, until, memory)
        while self.cursor and pages > 1 and self.pages in ("number", "offset"):  # rows may have moved to a page before
            again, pages = self._read_once(since, until, memory)
            if not (missed := {text: row for text, row in again.items() if text not in rows}):
                break
            rows |= missed
        raw = to_raw(list(rows.values()), [*memory.table.columns, *([self.cursor] if self.cursor else [])])
        return fill_optional(raw, self.optional)

    def sample(self, count: int, memory: Memory) -> Raw:
        rows = next(self._read_pages(self.start, None, memory))[:count]
        return to_raw(rows, [name for row in rows for name in row])

    def _read_once(
        self, since: datetime | None, until: datetime | None, memory: Memory
    ) -> tuple[dict[str, dict[str, Any]], int]:
        """All rows of all pages, by their content, and the number of pages."""
        pages = list(self._read_pages(since, until, memory))
        return {json.dumps(row): row for page in pages for row in page}, len(pages)

    def _read_pages(
        self, since: datetime | None, until: datetime | None, memory: Memory
    ) -> Iterator[list[dict[str, Any]]]:
        """The rows of each page.

        Raises:
            InputError: A page does not come, is none, or is one that came before.
        """
        page: Page | None = self.url, self._first_params(since, until)
        seen: list[Page] = []
        before: list[dict[str, Any]] = []
        with self._open() as client:
            while page is not None:
                if page in seen:
                    raise InputError(f"source {self.name}: its pages lead round in a circle; look at next")
                seen.append(page)
                answer = client.get(*page)
                body = self._parse(answer)
                rows = self._find_rows(body)
                if rows and rows == before:
                    raise InputError(f"source {self.name}: two pages are the same; look at pages and page_param")
                yield rows
                memory.tell(f"{len(seen):,} pages")
                before, page = rows, self._find_next(answer, body, rows, page)

    def _open(self) -> Patient:
        secrets = read_secrets(self.headers_from, self.name)
        client = httpx.Client(timeout=self.timeout.total_seconds(), headers=self.headers | secrets)
        return Patient(client, self.name, self.patience.total_seconds(), self.rate, list(secrets.values()))

    def _first_params(self, since: datetime | None, until: datetime | None) -> dict[str, str]:
        params = self.params | read_secrets(self.params_from, self.name)
        if since and self.cursor:
            params[self.since_param] = since.strftime(self.time_format)
        if until and self.until_param:
            params[self.until_param] = until.strftime(self.time_format)
        first = {"number": str(self.first_page), "offset": "0"}.get(self.pages)
        return params | ({self.page_param: first} if first else {})

    def _parse(self, answer: httpx.Response) -> Any:
        if not answer.content:  # as 204 has none
            return nest(self.items)
        try:
            return json.loads(answer.content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"source {self.name} answers with what is no JSON: {first_line(error)}; look at url"
            ) from None

    def _find_rows(self, body: Any) -> list[dict[str, Any]]:
        rows = dig(body, self.items)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            where = f"its items, {self.items!r}, are" if self.items else "it is"
            keys = f"; the answer has {', '.join(map(repr, body))[:200]}" if isinstance(body, dict) else ""
            raise InputError(f"source {self.name} gives no rows: {where} no list of objects{keys}; look at items")
        return rows

    def _find_next(self, answer: httpx.Response, body: Any, rows: list[dict[str, Any]], page: Page) -> Page | None:
        """The page after this one; None after the last."""
        address, params = page
        if self.pages in ("number", "offset"):
            step = len(rows) if self.pages == "offset" else 1
            return (address, params | {self.page_param: str(int(params[self.page_param]) + step)}) if rows else None
        if self.pages == "token":
            token = dig(body, self.next)
            return (address, params | {self.page_param: str(token)}) if token not in (None, "", False) else None
        if self.pages == "none" or not (link := answer.links.get("next", {}).get("url") or dig(body, self.next)):
            return None
        try:
            there = urljoin(str(answer.url), str(link))
        except ValueError:
            raise InputError(f"source {self.name}: its next page has an address that is none; look at next") from None
        if urlsplit(there)[:2] != urlsplit(self.url)[:2]:
            raise InputError(
                f"source {self.name}: its next page lies on another host, which gets no secrets; look at url"
            )
        return there, {name: params[name] for name in self.params_from}


def to_raw(rows: list[dict[str, Any]], columns: list[str]) -> Raw:
    """The columns that rows have, each value as text that may stand for any type."""
    present = [column for column in dict.fromkeys(columns) if not rows or any(column in row for row in rows)]
    values = {column: [spell(row.get(column)) for row in rows] for column in present}
    return Raw(pl.DataFrame(values, schema=dict.fromkeys(present, pl.String)), frozenset(present))


def spell(value: Any) -> str | None:
    """A value of JSON as text."""
    text = value if value is None or isinstance(value, str) else json.dumps(value)
    return text if text is None else text.encode("utf-8", "replace").decode()


def nest(path: str) -> Any:
    """An answer without rows."""
    body: Any = []
    for name in reversed([name for name in path.split(".") if name]):
        body = {name: body}
    return body


def dig(body: Any, path: str) -> Any:
    """What lies in nested objects under names that are joined by dots; None if nothing does."""
    for name in filter(None, path.split(".")):
        body = body.get(name) if isinstance(body, dict) else None
    return body
