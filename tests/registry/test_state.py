"""The state that follows from a log: whatever is tried, in whatever order, what must hold of it holds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError
from tasks.registry.entries import Answered, Asked, Claim, Entry, Judged, Move
from tasks.registry.state import Log

START = datetime(2013, 4, 1, tzinfo=UTC)
JUDGED = {"decision": "promote", "why": "", "judged_against": None, "key": "", "cause": "hand", "data_version": ""}
JUDGED |= {"sha256": "", "bundle": "", "digests": {}}
VERSIONS = st.sampled_from(["1", "2", "3", "4"])
TIMES = st.integers(0, 5).map(lambda days: START + timedelta(days=days))
ATTEMPTS = st.one_of(
    st.builds(Judged, version=VERSIONS, as_of=TIMES, **{name: st.just(value) for name, value in JUDGED.items()}),
    st.builds(Asked, version=VERSIONS, champion=st.none() | VERSIONS, until=TIMES, as_of=TIMES),
    st.builds(Answered, version=VERSIONS, outcome=st.sampled_from(["rejected", "expired", "refused"]), as_of=TIMES),
    st.builds(Claim, work=st.just("review"), version=VERSIONS, run=st.just("run"), as_of=TIMES),
    st.builds(
        Move,
        kind=st.sampled_from(["promotion", "rollback"]),
        version=VERSIONS,
        replaces=st.none() | VERSIONS,
        as_of=TIMES,
    ),
)


def fold(attempts: list[Entry]) -> Log:
    """The log of those attempts that are accepted."""
    log = Log("m")
    for entry in attempts:
        if log.objection(entry) is None:
            log.add(entry)
        else:
            with pytest.raises(InputError):
                log.add(entry)
    return log


@given(st.lists(ATTEMPTS, max_size=60))
def test_each_move_replaces_the_champion_before_it_in_the_order_of_time(attempts):
    moves = fold(attempts).moves
    assert [move.replaces for move in moves] == [None, *(move.version for move in moves)][: len(moves)]
    assert [move.as_of for move in moves] == sorted(move.as_of for move in moves)


@given(st.lists(ATTEMPTS, max_size=60))
def test_nothing_rolls_back_to_what_was_rolled_back_before(attempts):
    bad: set[str | None] = set()
    for move in fold(attempts).moves:
        if move.kind == "rollback":
            assert move.version not in bad
            bad.add(move.replaces)
        else:
            bad.discard(move.version)


@given(st.lists(ATTEMPTS, max_size=60))
def test_each_answer_has_its_question_and_each_question_at_most_one_answer(attempts):
    log = fold(attempts)
    asked, answered = ([entry.version for entry in log.of(kind)] for kind in (Asked, Answered))
    assert len(set(asked)) == len(asked) and len(set(answered)) == len(answered) and set(answered) <= set(asked)
    assert log.reviews.keys() == set(asked) <= log.versions.keys()


@given(st.lists(ATTEMPTS, max_size=60))
def test_the_state_is_that_of_the_entries_alone(attempts):
    log = fold(attempts)
    again = Log("m", log.entries)
    assert (again.moves, again.versions, again.reviews) == (log.moves, log.versions, log.reviews)
    assert list(log.versions) == [str(number + 1) for number in range(len(log.versions))]
    for move in log.moves:
        last = [other.version for other in log.moves if other.as_of <= move.as_of][-1]
        assert log.champion(move.as_of) == last and log.predecessor(move.as_of) != last
