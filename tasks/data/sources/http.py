"""Rows of an API that answers with JSON, page by page."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import urljoin, urlsplit

import httpx
import polars as pl
from pydantic import model_validator
from pydantic_core import from_json, to_json

from tasks.core.errors import DataError, InputError, first_line
from tasks.core.secrets import read_secret
from tasks.core.sections import Span, setting
from tasks.data.formats import Raw, read_json
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
        rows = [row for page in self._read_pages(since, until, memory) for row in page]
        raw = self._to_raw(rows, [*memory.table.columns, *([self.cursor] if self.cursor else [])])
        return fill_optional(raw, self.optional)

    def sample(self, count: int, memory: Memory) -> Raw:
        rows = next(self._read_pages(self.start, None, memory))[:count]
        return self._to_raw(rows, [name for row in rows for name in row])

    def _to_raw(self, rows: list[dict[str, Any]], columns: list[str]) -> Raw:
        """The rows, each value as text that may stand for any type."""
        columns = list(dict.fromkeys(columns))
        if not rows:
            return Raw(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), frozenset(columns))
        try:
            found = read_json(b"\n".join(map(to_json, rows)), columns)
        except Exception as error:  # whatever the reader raises
            raise DataError(f"source {self.name}: {first_line(error)}; look at items") from None
        return Raw(found, frozenset(found.columns))

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
        held = f"a secret of source {self.name}"
        headers = self.headers | {name: read_secret(value, held) for name, value in self.headers_from.items()}
        client = httpx.Client(timeout=self.timeout.total_seconds(), headers=headers)
        return Patient(client, self.name, self.patience.total_seconds(), self.rate)

    def _first_params(self, since: datetime | None, until: datetime | None) -> dict[str, str]:
        held = f"a secret of source {self.name}"
        params = self.params | {name: read_secret(value, held) for name, value in self.params_from.items()}
        if since and self.cursor:
            params[self.since_param] = since.strftime(self.time_format)
        if until and self.until_param:
            params[self.until_param] = until.strftime(self.time_format)
        first = {"number": str(self.first_page), "offset": "0"}.get(self.pages)
        return params | ({self.page_param: first} if first else {})

    def _parse(self, answer: httpx.Response) -> Any:
        try:
            return from_json(answer.content)
        except ValueError as error:
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
        there = urljoin(str(answer.url), str(link))
        if urlsplit(there)[:2] != urlsplit(self.url)[:2]:
            raise InputError(
                f"source {self.name}: its next page lies on another host, which gets no secrets; look at url"
            )
        return there, {name: params[name] for name in self.params_from}


def dig(body: Any, path: str) -> Any:
    """What lies in nested objects under names that are joined by dots; None if nothing does."""
    for name in filter(None, path.split(".")):
        body = body.get(name) if isinstance(body, dict) else None
    return body
