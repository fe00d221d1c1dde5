"""Reading a landed file of any format; whatever is wrong with it is one sentence."""

import base64
import io
import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from tasks.core.errors import DataError, first_line
from tasks.features.table import POLARS_ERRORS

PACKED = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
SEPARATORS = ",;\t|"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UNITS = ["s", "ms", "us", "ns"]
TEXTS = "lifecycle.texts"  # in the metadata of a file that a source landed
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Raw(NamedTuple):
    """Rows as a file holds them."""

    rows: pl.DataFrame
    texts: frozenset[str]  # columns whose values are text that may stand for any type


def find_format(name: str) -> tuple[str, str | None]:
    """The format of a file by its name, and how it is packed, if it is.

    Raises:
        DataError: It has none that is known.
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    packed = PACKED.get(suffixes[-1]) if suffixes else None
    suffix = suffixes[-1 - bool(packed)] if len(suffixes) > bool(packed) else ""
    if suffix not in FORMATS:
        raise DataError(
            f"{name} is no .parquet, .csv, .jsonl, .ndjson or .json (each also .gz or .zst): convert it, or remove it"
        )
    return FORMATS[suffix], packed


def read_raw(content: bytes, name: str, columns: Iterable[str]) -> Raw:
    """The rows of a file, and of what is declared the columns that it has.

    Args:
        content: Of the file.
        name: Its name, which tells the format; folders such as region=north are columns.
        columns: The declared ones.

    Raises:
        DataError: It is damaged, or not what its name says.
    """
    kind, packed = find_format(name)
    if not content:
        raise DataError(f"{name} is empty (0 bytes): deliver it again")
    try:
        content = unpack(content, packed) if packed else content
        rows = READERS[kind](content, list(columns))
        texts = read_texts(content) if kind == "parquet" else rows.columns
    except (Exception, *POLARS_ERRORS) as error:  # each reader has exceptions of its own for damage
        said = first_line(error)[:200].rstrip(".") or type(error).__name__
        raise DataError(f"{name} cannot be read as {kind}: {said}; deliver it again") from None
    keys = {key: value for key, value in hive_keys(name).items() if key in columns and key not in rows.columns}
    rows = rows.with_columns(pl.lit(value, pl.String).alias(key) for key, value in keys.items())
    return Raw(rows, frozenset([*texts, *keys]))


def read_texts(content: bytes) -> list[str]:
    """The columns of a parquet file whose text may stand for any type, as the source that landed it says."""
    return json.loads(pl.read_parquet_metadata(io.BytesIO(content)).get(TEXTS, "[]"))


def unpack(content: bytes, packed: str) -> bytes:
    with pa.input_stream(pa.py_buffer(content), compression=packed) as stream:
        return stream.read()


def hive_keys(name: str) -> dict[str, str | None]:
    """The columns that folders such as region=north name, with their values."""
    pairs = re.findall(r"([^/=]+)=([^/]*)/", name)
    return {unquote(key): None if value == NO_VALUE else unquote(value) for key, value in pairs}


def read_parquet(content: bytes, columns: list[str]) -> pl.DataFrame:
    """By pyarrow, which compares page checksums and, unlike polars, tells damage by an exception of Python."""
    file = pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True)
    table = file.read(columns=[column for column in columns if column in file.schema_arrow.names], use_threads=False)
    refuse_damage(file, table)
    return to_polars(in_utc(table), columns)


def in_utc(table: pa.Table) -> pa.Table:
    """Times with a zone as the same moments in UTC: polars does not know zones such as +05:45."""
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            times = table.column(number).cast(pa.timestamp(field.type.unit, "UTC"))
            table = table.set_column(number, field.name, times)
    return table


def refuse_damage(file: pq.ParquetFile, table: pa.Table) -> None:
    """Damage of a footer that pyarrow does not tell: another number of rows, or values that turned into nulls."""
    said = file.metadata
    groups = sum(said.row_group(number).num_rows for number in range(said.num_row_groups))
    if not said.num_rows == groups == table.num_rows:
        raise ValueError(f"its footer says {said.num_rows} rows, it holds {table.num_rows}")
    noted = (said.metadata or {}).get(b"ARROW:schema")  # as polars, pandas and pyarrow write it beside parquet's own
    written = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(noted))) if noted else table.schema
    for field in table.schema:
        if pa.types.is_nested(field.type):  # parquet names its parts alone
            continue
        stored = file.schema.column(file.schema.names.index(field.name))
        if is_other(field.type, written.field(field.name).type, stored):
            raise ValueError(f"its footer says that {field.name} is {field.type}, and does not fit itself")


def is_other(found: pa.DataType, written: pa.DataType, column: pq.ColumnSchema) -> bool:
    """Whether the type of a column is one that a damaged footer turns a good one into: a finer time, or none."""
    if pa.types.is_timestamp(found) and pa.types.is_timestamp(written) and column.physical_type != "INT96":
        return UNITS.index(found.unit) > UNITS.index(written.unit) and (found.unit, written.unit) != ("ms", "s")
    return pa.types.is_null(found) and not pa.types.is_null(written)


def read_csv(content: bytes, columns: list[str]) -> pl.DataFrame:
    """All values as text, an empty one is null; by pyarrow, which refuses lines with too few or too many of them."""
    header = content.removeprefix(BYTE_ORDER_MARK).split(b"\n", 1)[0].decode()
    separator = max(SEPARATORS, key=header.count)
    parse = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    kinds = dict.fromkeys(columns, pa.string())
    texts = csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, null_values=[""])
    table = csv.read_csv(io.BytesIO(content), csv.ReadOptions(use_threads=False), parse, texts)
    last = table.column(table.num_columns - 1)[-1].as_py() if table.num_rows and table.num_columns else None
    if isinstance(last, str) and "\n" in last and not content.rstrip().endswith(b'"'):
        raise ValueError("it opens a quote that nothing closes")
    return to_polars(table, columns)


def read_json(content: bytes, columns: list[str]) -> pl.DataFrame:
    """All values as text: one object a line, or an array of objects."""
    content = content.removeprefix(BYTE_ORDER_MARK)
    read = pl.read_json if content.lstrip()[:1] == b"[" else pl.read_ndjson
    rows = read(io.BytesIO(content), schema=dict.fromkeys(columns, pl.String))
    if rows.height and all(values.null_count() == rows.height for values in rows):
        raise ValueError("no object in it names a column of the table")
    plain = re.sub(rb"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)).encode("utf-8", "replace"), content)
    return rows.select(column for column in columns if is_key(column, plain))


def is_key(name: str, content: bytes) -> bool:
    """Whether JSON text names a key."""
    return re.search(re.escape(json.dumps(name, ensure_ascii=False).encode()) + rb"\s*:", content) is not None


def to_polars(table: pa.Table, columns: list[str]) -> pl.DataFrame:
    """The declared columns that a table has.

    Raises:
        ValueError: It has one of them twice.
    """
    present = [column for column in columns if column in table.column_names]
    if twice := [column for column in present if table.column_names.count(column) > 1]:
        raise ValueError(f"it has the column {twice[0]} twice")
    rows = pl.from_arrow(table.select(present).replace_schema_metadata(None))
    assert isinstance(rows, pl.DataFrame)
    return rows


READERS = {"parquet": read_parquet, "csv": read_csv, "json": read_json}
