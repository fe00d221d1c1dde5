"""Damage of a landed file is one exception of ours: no panic, and with page checksums no other value."""

import io
import random

import polars as pl
import pytest
from odd_files import make_rows, to_bytes

from project.contract import TABLES
from tasks.core.errors import DataError
from tasks.data.conversion import convert
from tasks.data.formats import read_raw

FLIPS = 4_500


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quote_in_the_last_column_that_nothing_closes_swallows_no_rows(end):
    def read(text: str) -> list:
        return read_raw(text.encode(), "odd.csv", ["id", "note"]).rows["note"].to_list()

    with pytest.raises(DataError, match="it opens a quote that nothing closes"):
        read('id,note\n1,fine\n2,"the loft\n3,ok\n4,ok' + end)
    assert read('id,note\n1,"a\nb"\n2,"c\nd"' + end) == ["a\nb", "c\nd"]
    assert read('id,note\n1,"a\nb"\n2,5" pipe' + end) == ["a\nb", '5" pipe']


def test_parquet_with_lists_and_structs_can_land():
    rows = pl.DataFrame({"id": [1, 2], "counts": [[1, 2], None], "part": [{"a": 1}, {"a": None}]})
    content = io.BytesIO()
    rows.write_parquet(content)
    assert read_raw(content.getvalue(), "odd.parquet", rows.columns).rows.equals(rows)


def flipped(content: bytes, count: int):
    """The file with one bit changed, each time another one."""
    for place in random.Random(0).sample(range(len(content) * 8), count):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "checked"])
def test_one_flipped_bit_is_no_panic_and_with_checksums_no_silent_change(kind, capfd):
    rows, refused, silent = make_rows(1, 500), 0, 0
    content = to_bytes(rows, kind)
    for changed in flipped(content, FLIPS):
        try:
            raw = read_raw(changed, "odd.parquet", TABLES["flights"].columns)
            same = convert(raw, TABLES["flights"], "odd.parquet").rows.equals(rows)
        except DataError:
            refused += 1
        else:
            silent += not same
    assert "panicked" not in capfd.readouterr().err
    assert refused > FLIPS / 3
    assert silent == 0 or kind == "parquet"
