"""A challenger of the same rows, code and settings stands, as long as the champion it was judged against does."""

from datetime import UTC, datetime

from tasks.registry import decision_log
from tasks.registry.promotion import promote_by_hand, roll_back
from tasks.registry.versions import read_log
from tasks.training.challenger import find_challenger

MODEL = "late-arrivals"
JUNE, LATER = datetime(2013, 6, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)


def test_a_verdict_stands_while_the_champion_it_was_judged_against_does(versions):
    verdict = {"decision": "reject", "reason": "", "checks": [], "metrics": {}}
    card = {"verdict": verdict, "judged_against": "2"}
    record_id = decision_log.open_record(MODEL, "training", JUNE, card, key="same", version="3")
    decision_log.close_record(record_id)
    promote_by_hand(MODEL, "1", "first", "data")
    assert find_challenger(read_log(MODEL), "same", LATER) is None
    promote_by_hand(MODEL, "2", "better", "data")
    assert (
        find_challenger(read_log(MODEL), "same", LATER).version == "3"
        and find_challenger(read_log(MODEL), "other", LATER) is None
    )
    roll_back(read_log(MODEL), "worse", "data")
    assert find_challenger(read_log(MODEL), "same", LATER) is None
