"""A corpus of odd files and rows, each with what has to come of it; what was found on earlier versions, and more."""

import gzip
import io
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 20  # of an odd file
HOUR = datetime(2013, 1, 15, 10, tzinfo=UTC)
IN, ASIDE, TOLD, IGNORED = "goes in", "is set aside", "is told", "is ignored"
Write = Callable[[Path, pl.DataFrame], None]  # into the folder of the table, from good rows


class Odd(NamedTuple):
    """One odd file, or rows of one."""

    name: str
    write: Write
    outcome: str | int  # one of the above; a number of rows that go to quarantine, the others in


def make_rows(number: int, rows: int = ROWS) -> pl.DataFrame:
    """Good flights with keys of their own."""
    facts = {"carrier": "ZZ", "origin": "JFK", "dest": "LAX", "tailnum": "N1", "distance": 2475}
    times = {"year": 2013, "month": 1, "day": 15, "hour": 5, "minute": 0, "sched_arr_time": 830}
    outcomes = {"dep_delay": 5, "arr_delay": 7, "air_time": 300}
    frame = pl.DataFrame({name: [value] * rows for name, value in (facts | times | outcomes).items()})
    frame = frame.with_columns(
        time_hour=pl.lit(HOUR).cast(pl.Datetime("us", "UTC")), flight=pl.int_range(pl.len()) + 1 + number * 50
    )
    columns = [
        "time_hour",
        "minute",
        "carrier",
        "flight",
        "origin",
        "dest",
        "tailnum",
        "distance",
        "year",
        "month",
        "day",
    ]
    columns += ["hour", "sched_arr_time", "dep_delay", "arr_delay", "air_time"]
    return frame.select(columns).cast({pl.Int64: pl.Int16})


def to_bytes(rows: pl.DataFrame, kind: str = "parquet") -> bytes:
    """The rows as a file."""
    content = io.BytesIO()
    if kind == "parquet":
        rows.write_parquet(content)
    elif kind == "checked":
        pq.write_table(rows.to_arrow(), content, write_page_checksum=True)
    elif kind == "csv":
        rows.with_columns(pl.selectors.datetime().dt.to_string("iso:strict")).write_csv(content)
    else:
        rows.with_columns(pl.selectors.datetime().dt.to_string("iso:strict")).write_ndjson(content)
    return content.getvalue()


def file(name: str, change: Callable[[bytes], bytes] = bytes, kind: str = "parquet") -> Write:
    """Write the bytes of good rows, changed, under a name."""

    def write(folder: Path, rows: pl.DataFrame) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(change(to_bytes(rows, kind)))

    return write


def frame(change: Callable[[pl.DataFrame], pl.DataFrame], name: str = "odd.parquet", kind: str = "parquet") -> Write:
    """Write good rows, changed."""

    def write(folder: Path, rows: pl.DataFrame) -> None:
        (folder / name).write_bytes(to_bytes(change(rows), kind))

    return write


def values(kind: str = "parquet", **columns: object) -> Write:
    """Write good rows; the first three have another value in some columns, which may widen their type."""

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        for name, value in columns.items():
            odd = pl.Series([value] * 3 + rows[name].to_list()[3:], strict=False)
            rows = rows.with_columns(odd.alias(name))
        return rows

    suffix = {"json": "jsonl"}.get(kind, kind)
    return frame(change, f"odd.{suffix}", kind)


def cast(column: str, kind: pl.DataType | type[pl.DataType]) -> Write:
    return frame(lambda rows: rows.with_columns(pl.col(column).cast(kind)))


def moved(column: str, zone: str | None, unit: str = "us") -> Write:
    """Write good rows whose time is on another clock."""
    to = pl.col(column).dt.convert_time_zone(zone) if zone else pl.col(column).dt.replace_time_zone(None)
    return frame(lambda rows: rows.with_columns(to.dt.cast_time_unit(unit)))


def with_offset(folder: Path, rows: pl.DataFrame) -> None:
    table = rows.to_arrow()
    place = table.schema.get_field_index("time_hour")
    times = table.column(place).cast(pa.timestamp("us", "+05:45"))
    pq.write_table(table.set_column(place, "time_hour", times), folder / "odd.parquet")


def at(year: int) -> Write:
    """Write good rows; the first three are of another year."""
    shift = (datetime(min(year, 9999), 1, 15, 10) - datetime(2013, 1, 15, 10)).days
    extra = timedelta(days=shift + max(0, year - 9999) * 365)

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        early = pl.int_range(pl.len()) < 3
        time = pl.when(early).then(pl.col("time_hour") + extra).otherwise("time_hour")
        return rows.with_columns(time_hour=time, year=pl.when(early).then(min(max(year, 1987), 2100)).otherwise("year"))

    return frame(change)


def flip(content: bytes) -> bytes:
    """One bit of a page is another."""
    place = len(content) // 4
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def packed(content: bytes, kind: str) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, kind) as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def as_array(content: bytes) -> bytes:
    """JSON lines as one array."""
    return b"[" + b",".join(content.splitlines()) + b"]"


def make_link(name: str, target: str) -> Write:
    def write(folder: Path, rows: pl.DataFrame) -> None:
        elsewhere = folder.parent.parent / f"elsewhere-{rows['flight'][0]}"
        elsewhere.mkdir()
        (elsewhere / "odd.parquet").write_bytes(to_bytes(rows))
        (folder / name).symlink_to(elsewhere / target)

    return write


def make_loop(folder: Path, rows: pl.DataFrame) -> None:
    (folder / "loop").mkdir()
    (folder / "loop" / "odd.parquet").write_bytes(to_bytes(rows))
    (folder / "loop" / "again").symlink_to(folder / "loop")


def make_pipe(folder: Path, rows: pl.DataFrame) -> None:
    os.mkfifo(folder / "odd.parquet")


def make_raw_name(folder: Path, rows: pl.DataFrame) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/odd\xff.parquet")).write_bytes(to_bytes(rows))


def with_digest(digest: bytes) -> Write:
    def write(folder: Path, rows: pl.DataFrame) -> None:
        import hashlib

        content = to_bytes(rows)
        (folder / "odd.parquet").write_bytes(content)
        said = hashlib.sha256(content).hexdigest().encode() if digest == b"right" else digest
        (folder / "odd.parquet.sha256").write_bytes(said + b"  odd.parquet\n")

    return write


def make_hive(folder: Path, rows: pl.DataFrame) -> None:
    inner = folder / "origin=JFK" / "carrier=ZZ"
    inner.mkdir(parents=True)
    (inner / "part-0.parquet").write_bytes(to_bytes(rows.drop("origin", "carrier")))


def make_twins(folder: Path, rows: pl.DataFrame) -> None:
    for minute, part in ((0, rows), (30, rows)):
        inner = folder / f"minute={minute}"
        inner.mkdir()
        (inner / "part-0.parquet").write_bytes(to_bytes(part.drop("minute")))


def written(**options: Any) -> Write:
    """Write good rows as another program would: with nanoseconds, and pyarrow's options."""

    def write(folder: Path, rows: pl.DataFrame) -> None:
        table = rows.with_columns(pl.col("time_hour").dt.cast_time_unit("ns")).to_arrow()
        pq.write_table(table, folder / "odd.parquet", **options)

    return write


def make_spark(folder: Path, rows: pl.DataFrame) -> None:
    inner = folder / "odd.parquet"
    inner.mkdir()
    (inner / "_SUCCESS").write_bytes(b"")
    (inner / ".part-0.crc").write_bytes(b"crc")
    (inner / "part-0.snappy.parquet").write_bytes(to_bytes(rows))


def beside(name: str) -> Write:
    """Write good rows beside the folder of the table."""
    return lambda folder, rows: file(name)(folder.parent, rows)


DAMAGED = [
    *(
        Odd(f"cut to {size} bytes", file("odd.parquet", lambda b, s=size: b[:s]), ASIDE)
        for size in (1, 3, 4, 8, 12, 100)
    ),
    *(Odd(f"without the last {n}", file("odd.parquet", lambda b, n=n: b[:-n]), ASIDE) for n in (1, 4, 8, 100)),
    Odd("half", file("odd.parquet", lambda b: b[: len(b) // 2]), ASIDE),
    Odd("two files in one, the second cut", file("odd.parquet", lambda b: b + b[:100]), ASIDE),
    *(
        Odd(f"{name}.parquet", file("odd.parquet", lambda _, c=content: c), ASIDE)
        for name, content in {
            "empty": b"",
            "html": b"<html><body>404</body></html>",
            "zeros": bytes(1000),
            "magic": b"PAR1\n",
            "magic twice": b"PAR1PAR1",
            "a huge footer": b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1",
            "zip": b"PK\x03\x04" + bytes(500),
            "noise": random.Random(1).randbytes(5000),
        }.items()
    ),
    Odd("a bit of a checked page", file("odd.parquet", flip, "checked"), ASIDE),
    Odd("checked and whole", file("odd.parquet", kind="checked"), IN),
    Odd("csv named parquet", file("odd.parquet", kind="csv"), ASIDE),
    Odd("parquet named csv", file("odd.csv"), ASIDE),
    Odd("parquet named jsonl", file("odd.jsonl"), ASIDE),
    Odd("arrow named parquet", file("odd.parquet", lambda _: b"ARROW1\0\0" + bytes(200)), ASIDE),
    Odd("cut gzip", file("odd.csv.gz", lambda b: gzip.compress(b)[:-20], "csv"), ASIDE),
    Odd("gzip in name alone", file("odd.csv.gz", kind="csv"), ASIDE),
    Odd("cut zstd", file("odd.csv.zst", lambda b: packed(b, "zstd")[:-20], "csv"), ASIDE),
    Odd("gzip of html", file("odd.parquet.gz", lambda _: gzip.compress(b"<html>")), ASIDE),
    Odd("empty csv", file("odd.csv", lambda _: b""), ASIDE),
    Odd("csv of a header", file("odd.csv", lambda b: b.split(b"\n")[0] + b"\n", "csv"), IN),
    Odd("csv of spaces", file("odd.csv", lambda _: b"   \n  \n"), ASIDE),
    Odd("csv in latin-1", file("odd.csv", lambda b: b.replace(b"N1", b"N\xe9"), "csv"), ASIDE),
    Odd("csv in utf-16", file("odd.csv", lambda b: b.decode().encode("utf-16"), "csv"), ASIDE),
    Odd("csv with a ragged line", file("odd.csv", lambda b: b + b"1,2,3" + b",4" * 40 + b"\n", "csv"), ASIDE),
    Odd("csv with an open quote", file("odd.csv", lambda b: b + b'"never closed,1,2\n', "csv"), ASIDE),
    Odd("csv cut in a line", file("odd.csv", lambda b: b[:-30], "csv"), ASIDE),
    Odd("csv of html", file("odd.csv", lambda _: b"<html>\n<body>\n"), ASIDE),
    Odd("broken json", file("odd.json", lambda _: b'{"a": '), ASIDE),
    Odd("json of numbers", file("odd.json", lambda _: b"[1, 2, 3]"), ASIDE),
    Odd("json of a text", file("odd.json", lambda _: b'"hello"'), ASIDE),
    Odd("json of nothing", file("odd.json", lambda _: b"null"), ASIDE),
    Odd("json with a cut line", file("odd.jsonl", lambda b: b[:-40], "json"), ASIDE),
    Odd("json of empty objects", file("odd.jsonl", lambda _: b"{}\n{}\n"), ASIDE),
    Odd("the wrong digest beside it", with_digest(b"0" * 64), ASIDE),
    Odd("an empty digest beside it", with_digest(b""), ASIDE),
]
UNKNOWN = [
    Odd(f"suffix {suffix}", file(f"odd{suffix}"), ASIDE)
    for suffix in (
        ".txt",
        ".xml",
        ".xlsx",
        ".pkl",
        ".db",
        ".tar.gz",
        ".csv.bz2",
        ".parquet.zip",
        ".arrow",
        ".orc",
        "",
        ".gz",
        ".html",
    )
]
FORMATS = [
    *(
        Odd(f"parquet as {name}", written(**options), IN)
        for name, options in {
            "version 1.0": {"version": "1.0"},
            "version 2.4": {"version": "2.4"},
            "milliseconds": {"coerce_timestamps": "ms", "allow_truncated_timestamps": True},
        }.items()
    ),
    Odd("parquet as Spark writes it, whose times have no zone", written(flavor="spark"), ASIDE),
    Odd("parquet with int96", written(use_deprecated_int96_timestamps=True), ASIDE),
    Odd("two Hive folders with the same content", make_twins, IN),
    Odd("json in ASCII", file("odd.jsonl", lambda b: b.replace(b'"dest"', b'"d\\u0065st"'), "json"), IN),
    Odd("csv", file("odd.csv", kind="csv"), IN),
    Odd("csv with semicolons", file("odd.csv", lambda b: b.replace(b",", b";"), "csv"), IN),
    Odd("csv with tabs", file("odd.csv", lambda b: b.replace(b",", b"\t"), "csv"), IN),
    Odd("csv with a byte order mark", file("odd.csv", lambda b: b"\xef\xbb\xbf" + b, "csv"), IN),
    Odd("csv of Windows", file("odd.csv", lambda b: b.replace(b"\n", b"\r\n"), "csv"), IN),
    Odd("csv.gz", file("odd.csv.gz", gzip.compress, "csv"), IN),
    Odd("csv.zst", file("odd.csv.zst", lambda b: packed(b, "zstd"), "csv"), IN),
    Odd("jsonl", file("odd.jsonl", kind="json"), IN),
    Odd("ndjson.gz", file("odd.ndjson.gz", gzip.compress, "json"), IN),
    Odd("json array", file("odd.json", as_array, "json"), IN),
    Odd("PARQUET", file("ODD.PARQUET"), IN),
    Odd("CSV", file("ODD.CSV", kind="csv"), IN),
    Odd("pq", file("odd.pq"), IN),
    Odd("parquet.gz", file("odd.parquet.gz", gzip.compress), IN),
    Odd("parquet.zstd", file("odd.parquet.zstd", lambda b: packed(b, "zstd")), IN),
    Odd("nested", file("2013/01/15/odd.parquet"), IN),
    Odd("hive folders", make_hive, IN),
    Odd("a Spark folder", make_spark, IN),
    Odd("the right digest beside it", with_digest(b"right"), IN),
    Odd("a link", make_link("odd.parquet", "odd.parquet"), IN),
    Odd("a linked folder", make_link("inner", "."), IN),
    Odd("a folder linked to itself", make_loop, IN),
]
NAMES = [
    *(
        Odd(f"named {name[:20]}", file(f"{name}.parquet"), IN)
        for name in (
            "a b",
            "ärger",
            "😀",
            "-rf",
            "100%25",
            "a#b",
            "a?b",
            "a*b",
            "[a]",
            "a'b",
            'a"b',
            "a;b",
            "x" * 240,
            "a.b.c",
            "NUL",
        )
    ),
    Odd("hidden", file(".odd.parquet"), IGNORED),
    Odd("being copied", file("odd.parquet.part"), IGNORED),
    Odd("of an editor", file("odd.parquet~"), IGNORED),
    Odd("of Spark", file("_temporary/0/odd.parquet"), IGNORED),
    Odd("with a line break", file("od\nd.parquet"), TOLD),
    Odd("not in utf-8", make_raw_name, TOLD),
    Odd("a link to nothing", make_link("odd.parquet", "nothing"), TOLD),
    Odd("a pipe", make_pipe, TOLD),
    Odd("of an unknown table", beside("fligths/odd.parquet"), ASIDE),
    Odd("of a table in capitals", beside("Flights/odd.parquet"), ASIDE),
    Odd("of no table", beside("odd.parquet"), ASIDE),
]
COLUMNS = [
    Odd("a column too few", frame(lambda rows: rows.drop("distance")), ASIDE),
    Odd("an outcome too few", frame(lambda rows: rows.drop("arr_delay")), ASIDE),
    Odd("a column renamed", frame(lambda rows: rows.rename({"dest": "destination"})), ASIDE),
    Odd("columns in capitals", frame(lambda rows: rows.rename(str.upper)), ASIDE),
    Odd("no column", frame(lambda rows: rows.select([])), ASIDE),
    Odd("no row", frame(lambda rows: rows.head(0)), IN),
    Odd("a column too many", frame(lambda rows: rows.with_columns(more=pl.lit("x"))), IN),
    Odd("a nested column too many", frame(lambda rows: rows.with_columns(more=pl.struct("dest", "carrier"))), IN),
    Odd("columns in another order", frame(lambda rows: rows.select(sorted(rows.columns))), IN),
    Odd("a list", frame(lambda rows: rows.with_columns(distance=pl.concat_list("distance"))), ASIDE),
    Odd("a struct", frame(lambda rows: rows.with_columns(dest=pl.struct("dest"))), ASIDE),
    Odd("bytes", cast("dest", pl.Binary), ASIDE),
    Odd("booleans as numbers", frame(lambda rows: rows.with_columns(distance=pl.lit(True))), ASIDE),
    Odd("numbers as text", cast("distance", pl.String), ASIDE),
    Odd("text as numbers", frame(lambda rows: rows.with_columns(dest=pl.lit(5))), ASIDE),
    Odd("days as times", cast("time_hour", pl.Date), ASIDE),
    Odd("seconds as times", frame(lambda rows: rows.with_columns(pl.col("time_hour").dt.epoch("s"))), ASIDE),
    Odd("times as text", frame(lambda rows: rows.with_columns(pl.col("time_hour").dt.to_string("iso:strict"))), ASIDE),
    Odd("times without a zone", moved("time_hour", None), ASIDE),
    Odd("a key of nulls alone", frame(lambda rows: rows.with_columns(carrier=pl.lit(None, pl.String))), ASIDE),
    Odd("outcomes of no type", frame(lambda rows: rows.with_columns(arr_delay=None, air_time=None)), IN),
    *(Odd(f"{zone} clock", moved("time_hour", zone), IN) for zone in ("America/New_York", "Asia/Kathmandu")),
    Odd("the clock of an offset", with_offset, IN),
    *(Odd(f"times in {unit}", moved("time_hour", "UTC", unit), IN) for unit in ("ms", "ns")),
    *(
        Odd(f"{column} as {kind}", cast(column, kind), IN)
        for column, kind in {
            "distance": pl.Int64,
            "minute": pl.UInt8,
            "day": pl.Float64,
            "hour": pl.Decimal(10, 2),
            "carrier": pl.Categorical,
            "dest": pl.Enum(["LAX", "BOS"]),
            "air_time": pl.Float32,
        }.items()
    ),
]
BROKEN = [
    *(
        Odd(f"{column} {value!r:.20} in {kind}", values(kind, **{column: value}), 3)
        for kind in ("parquet", "csv", "json")
        for column, value in [
            ("distance", -1),
            ("distance", 10_001),
            ("minute", 60),
            ("carrier", "toolong"),
            ("carrier", None),
            ("origin", "XXX"),
            ("dest", "lax"),
            ("hour", 24),
            ("air_time", None),
            ("tailnum", "N" * 10_000),
        ]
    ),
    *(
        Odd(f"{column} {value} in {kind}", values(kind, **{column: value}), 3)
        for kind in ("parquet", "csv")
        for column, value in [
            ("flight", 9100.9),
            ("flight", float("nan")),
            ("minute", 0.5),
            ("dep_delay", 2880.9),
            ("arr_delay", float("nan")),
            ("distance", 99_999),
            ("distance", float("inf")),
            ("distance", 2**40),
        ]
    ),
    *(
        Odd(f"distance {text!r} in {kind}", values(kind, distance=text), 3)
        for kind in ("csv", "json")
        for text in ("x", "1,5", "0x10")
    ),
    *(
        Odd(f"time {text!r} in csv", values("csv", time_hour=text), 3)
        for text in ("yesterday", "2013-02-30T10:00:00Z", "2013-01-15T25:00:00Z", "2013-01-15", "15.01.2013 10:00")
    ),
    *(Odd(f"the year {year}", at(year), 3) for year in (1, 1492, 1905, 1970, 2023, 2199, 2300, 9999, 30_000)),
    Odd("three times the same row without a key", values(flight=None), 1),
    Odd("30 February", values(month=2, day=30), 3),
    Odd("31 June in csv", values("csv", month=6, day=31), 3),
    Odd(
        "half past",
        frame(
            lambda rows: rows.with_columns(
                pl.col("time_hour") + pl.duration(minutes=pl.when(pl.col("flight") % 50 <= 3).then(30).otherwise(0))
            )
        ),
        3,
    ),
    Odd(
        "one key, two distances",
        frame(lambda rows: pl.concat([rows, rows.head(2).with_columns(distance=pl.lit(9, pl.Int16))])),
        4,
    ),
    Odd("the same rows twice", frame(lambda rows: pl.concat([rows, rows])), IN),
    Odd("too many bad rows", frame(lambda rows: rows.with_columns(distance=pl.lit(-1, pl.Int16))), ASIDE),
    Odd(
        "every row of 9999",
        frame(lambda rows: rows.with_columns(pl.col("time_hour") + timedelta(days=365 * 7980))),
        ASIDE,
    ),
    Odd("landed, but not departed", values(dep_delay=None), 3),
    Odd("10 MB of text", values(tailnum="x" * 3_400_000), 3),
    Odd("control characters", values(tailnum="\x1b[2J\x07"), IN),
    Odd("markup", values(tailnum="<b>&"), IN),
    Odd("emoji", values(tailnum="😀"), IN),
    Odd(
        "whole numbers with fractions in csv",
        frame(lambda rows: rows.cast({pl.Int16: pl.Float64}), "odd.csv", "csv"),
        IN,
    ),
    Odd("spaces around numbers in csv", file("odd.csv", lambda b: b.replace(b",2475,", b", 2475 ,"), "csv"), IN),
    Odd("times of Python in csv", file("odd.csv", lambda b: b.replace(b"T10:00:00", b" 10:00:00"), "csv"), IN),
]
CORPUS = [*DAMAGED, *UNKNOWN, *FORMATS, *NAMES, *COLUMNS, *BROKEN]
