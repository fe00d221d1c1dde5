"""Rows of a PostgreSQL database, read by ADBC: columns, not rows, and in exact types."""

from datetime import UTC, datetime
from typing import Any, Literal, Self

import polars as pl
import pyarrow as pa
from pydantic import model_validator

from tasks.core.errors import InputError, first_line
from tasks.core.moments import POSSIBLE
from tasks.core.secrets import hide, read_secret
from tasks.core.sections import Span, setting
from tasks.data.formats import Raw, in_utc, to_polars
from tasks.data.sources.source import Memory
from tasks.data.sources.windowed import Windowed
from tasks.features.table import POLARS_ERRORS

UNREACHED = ("Connection refused", "timeout expired", "could not translate host name", "server closed the connection")


class Sql(Windowed):
    """A table, a view or a query."""

    kind: Literal["sql"]
    uri_from: str = setting("DATABASE_URL", "the variable that holds postgresql://user:password@host/database")
    relation: str | None = setting(None, "table or view of the database, such as public.orders; null: named as table")
    query: str | None = setting(None, "instead of a relation, e.g. one that joins or renames columns")
    count: Span | None = setting(
        None, "how far back rows are counted by day of the cursor, to tell of deleted ones, e.g. 90d; null is never"
    )
    patience: Span = setting("50s", "a query that takes longer is given up; shorter windows take less")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.relation and self.query:
            raise ValueError("give relation or query, not both")
        if self.count and not self.cursor:
            raise ValueError("count needs a cursor")
        return self

    def fetch(self, memory: Memory, since: datetime | None, until: datetime | None) -> Raw:
        columns = list(dict.fromkeys([*memory.table.columns, *([self.cursor] if self.cursor else [])]))
        chosen = "*" if self.query else ", ".join(map(quote, columns))
        return self.ask(f"select {chosen} from {self._whence()}{self._between(since, until)}", columns, memory)  # noqa: S608

    def skip(self, memory: Memory, since: datetime) -> datetime | None:
        first = f"min({quote(self.cursor or '')})::timestamptz as first"
        query = f"select {first} from {self._whence()}{self._between(since, None)}"  # noqa: S608
        found = self.ask(query, ["first"], memory).rows["first"].drop_nulls()
        possible = found.filter(found.is_between(*POSSIBLE))  # infinity is no time of Python's
        return possible[0] if len(possible) else max(since, datetime.now(UTC)) if len(found) else None

    def sample(self, count: int, memory: Memory) -> Raw:
        order = f" order by {quote(self.cursor)} desc nulls last" if self.cursor else ""
        return self.ask(f"select * from {self._whence()}{order} limit {count}", None, memory)  # noqa: S608

    def count_days(self, since: datetime, memory: Memory) -> pl.DataFrame:
        """How many rows there are of each day of the cursor, UTC: `day`, `rows`."""
        day = f"({quote(self.cursor or '')}::timestamptz at time zone 'UTC')::date as day"
        counted = f"select {day}, count(*) as rows from {self._whence()}{self._between(since, None)} group by 1"  # noqa: S608
        return self.ask(counted, ["day", "rows"], memory).rows

    def _whence(self) -> str:
        if self.query:
            return f"({self.query.strip().rstrip(';')}\n) as source"  # it may end with a comment
        return ".".join(map(quote, (self.relation or self.table).split(".")))

    def _between(self, since: datetime | None, until: datetime | None) -> str:
        """The condition that the cursor lies between two moments; the driver would bind them in another time zone."""
        ends = [(sign, moment) for sign, moment in ((">=", since), ("<", until)) if moment]
        bounds = [f"{quote(self.cursor or '')} {sign} '{moment.isoformat()}'::timestamptz" for sign, moment in ends]
        return f" where {' and '.join(bounds)}" if bounds else ""

    def ask(self, query: str, columns: list[str] | None, memory: Memory) -> Raw:
        """What a query gives; times without a zone are of memory's.

        Raises:
            InputError: It gives nothing.
        """
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi

        uri = read_secret(self.uri_from, f"the address of the database of source {self.name}, postgresql://...")
        try:
            with dbapi.connect(with_timeout(uri)) as connection, connection.cursor() as cursor:
                cursor.execute(f"set timezone to '{memory.time_zone or 'UTC'}'")
                cursor.execute(f"set statement_timeout to {int(self.patience.total_seconds() * 1000)}")
                cursor.execute(query)
                return to_raw(cursor.fetch_arrow_table(), columns)
        except (Error, ValueError, OSError, pa.ArrowException, *POLARS_ERRORS) as error:
            told = self._tell(hide(str(error), uri)) if isinstance(error, Error) else first_line(error)
            raise InputError(f"source {self.name}: {told}") from None

    def _tell(self, said: str) -> str:
        """One sentence about a database that does not do what it was asked."""
        line = next((line for line in said.splitlines() if "ERROR:" in line or "FATAL:" in line), "")
        why = line.rpartition("ERROR:")[2].rpartition("FATAL:")[2].strip()
        if "statement timeout" in said:
            return "the query took longer than patience: give it more, or shorter windows and an index on the cursor"
        if "ERROR:" in line:
            return f"the database refuses: {why}; look at relation, query and cursor"
        known = [words for words in UNREACHED if words in said]  # other words may hold parts of the address
        why = why or (known[0] if known else "its address cannot be used")
        return f"the database cannot be reached: {why}; look at the server and the variable {self.uri_from}"


def quote(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def with_timeout(uri: str) -> str:
    """The address with a limit of the time that a connection may take, unless it says one."""
    if "connect_timeout" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}connect_timeout=10" if "://" in uri else f"{uri} connect_timeout=10"


def to_raw(table: pa.Table, columns: list[str] | None) -> Raw:
    """The rows of a result; numbers of any size, JSON and the like come as text that may stand for any type.

    Raises:
        ValueError: A column that is asked for has a type that cannot be read.
    """
    for number, field in enumerate(table.schema):
        kind = field.metadata and field.metadata.get(b"POSTGRESQL:type", b"").decode()
        if is_odd(field.type) and (columns is None or field.name in columns):
            if columns is not None:
                raise ValueError(
                    f"{field.name} is of the type {kind}, which cannot be read: cast it to text in a query"
                )
            table = table.set_column(number, field.name, pa.array([f"a {kind}"] * len(table), pa.string()))
        elif isinstance(field.type, pa.BaseExtensionType):
            table = table.set_column(number, field.name, plain(table.column(number)))
    rows = to_polars(in_utc(table), columns or table.column_names)
    return Raw(rows, frozenset(name for name, kind in rows.schema.items() if kind == pl.String))


def is_odd(kind: pa.DataType) -> bool:
    """Whether it is a type of PostgreSQL's own that comes as bytes nobody can read."""
    if not isinstance(kind, pa.BaseExtensionType):
        return pa.types.is_interval(kind)
    return not (is_text(kind.storage_type) or isinstance(kind, pa.UuidType))


def is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def plain(column: pa.ChunkedArray) -> Any:
    """A column of a type of PostgreSQL's own as text."""
    storage = column.type.storage_type
    if is_text(storage):
        return pa.chunked_array([part.storage for part in column.chunks], storage)
    return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
