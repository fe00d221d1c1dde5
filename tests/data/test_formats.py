"""Damage of a landed file is one exception of ours: no panic, and with page checksums no other value."""

import random

import pytest
from odd_files import make_rows, to_bytes

from project.contract import TABLES
from tasks.core.errors import DataError
from tasks.data.conversion import convert
from tasks.data.formats import read_raw

FLIPS = 4_500


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
