"""A workspace whose champion is handed over, and rows that can be asked for."""

import pytest
from endpoints import hand_over


@pytest.fixture
def flights(versions, snapshot, use_case):
    """The flights that may be asked for, without their outcomes; version 1 is champion."""
    return hand_over(snapshot, use_case)
