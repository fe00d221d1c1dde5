"""The log: entries without a gap, each chained to the one before; whoever changes one is found out."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from kills import State, die_at, run_together
from stores import use_workspace

from tasks.core.errors import InputError
from tasks.core.tables import insert_new, literal, read_rows
from tasks.registry.decision_log import DECISIONS, decide, digest, find_entry, fold, read_entries, read_log, record
from tasks.registry.entries import Claim, Judged, Move
from tasks.registry.promotion import promote_by_hand
from tasks.registry.state import Head
from tasks.registry.verify import check_anchor, check_chain, verify_record

MODEL, APRIL = "late-arrivals", datetime(2013, 4, 1, tzinfo=UTC)
RACES, SEEDS = 20, 2


def claim(model: str = MODEL) -> Claim:
    return record(model, Claim(work="training", as_of=APRIL))


def race(folder, seed: int, death: State | None = None) -> None:
    """Move the champion again and again, as another process does at the same time."""
    use_workspace(folder)
    if death:
        die_at(death)
    for number in range(RACES):
        target = str(1 + (seed + number) % 3)

        def judge(log, target=target) -> Move | None:
            champion = log.champion()
            if champion == target:
                return None
            return Move(kind="promotion", version=target, replaces=champion, as_of=log.now("data"), reason="race")

        decide(MODEL, judge)


def test_two_models_have_a_log_each(store):
    assert [claim().number, claim("other").number, claim().number] == [1, 1, 2]
    assert [len(read_log(name).entries) for name in (MODEL, "other", "it's")] == [2, 1, 0]


def test_two_processes_that_move_the_champion_at_once_leave_one_whole_log(versions, own_workspace):
    assert run_together(race, [(own_workspace, seed) for seed in range(SEEDS)]) == [0] * SEEDS
    log = read_log(MODEL)
    assert verify_record(MODEL) == [] and len(log.moves) > RACES / 2
    assert [move.replaces for move in log.moves] == [None, *(move.version for move in log.moves)][: len(log.moves)]


def test_who_is_killed_before_or_after_an_insert_leaves_a_whole_log_to_the_other(versions, own_workspace):
    insert = "tasks.registry.decision_log:insert_new"
    calls = [(own_workspace, 0), (own_workspace, 1, State(insert, 3, "before"))]
    calls += [(own_workspace, 2, State(insert, 2, "after"))]
    codes = run_together(race, calls)
    assert codes[0] == 0 and verify_record(MODEL) == []
    assert read_log(MODEL).champion() is not None and claim().number == len(read_log(MODEL).entries)


def test_an_event_names_an_entry_of_its_model_by_number(versions):
    log = read_log(MODEL)
    assert find_entry(log, f"model.{MODEL}.2", Judged).version == "2"
    for name in (f"model.{MODEL}.2", f"{MODEL}.9", "model.other.2", f"model.{MODEL}.two", "", "2", f"model.{MODEL}.+2"):
        assert find_entry(log, name, Move) is None


def tampered(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """What somebody may do to the stored rows, by name."""
    entry = json.loads(rows["entry"][3]) | {"version": "3"}
    return {
        "another entry": rows.with_columns(
            entry=pl.when(pl.col("number") == 4).then(pl.lit(json.dumps(entry, sort_keys=True))).otherwise("entry")
        ),
        "another time": rows.with_columns(
            made_at=pl.col("made_at") + pl.duration(seconds=(pl.col("number") == 4).cast(pl.Int64))
        ),
        "another kind": rows.with_columns(kind=pl.when(number=4).then(pl.lit("check")).otherwise("kind")),
        "one left out": rows.filter(pl.col("number") != 4),
        "one doubled": pl.concat([rows.head(4), rows.tail(-3)]),
        "no JSON": rows.with_columns(entry=pl.when(number=4).then(pl.lit("{")).otherwise("entry")),
        "a kind of later": rows.with_columns(
            entry=pl.when(number=4).then(pl.lit('{"kind": "undecided"}')).otherwise("entry")
        ),
    }


NAMES = ("another entry", "another time", "another kind", "one left out", "one doubled", "no JSON", "a kind of later")


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_entry_is_found_out(versions, name):
    promote_by_hand(MODEL, "1", "first", "data")
    promote_by_hand(MODEL, "2", "better", "data")
    rows = read_entries(MODEL)
    assert list(check_chain(rows)) == []
    assert any("entry 4" in fault or "entry 5" in fault for fault in check_chain(tampered(rows)[name]))


def rewrite(rows: pl.DataFrame) -> None:
    """Put these rows in the place of the log's."""
    rows.write_delta(DECISIONS.address, mode="overwrite", delta_write_options={"partition_by": ["model"]})


def chained(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a chain that was computed anew."""
    before, made = "", []
    for row in rows.iter_rows(named=True):
        made.append(row | {"before": before})
        before = digest(made[-1])
    return pl.DataFrame(made, schema=rows.schema)


def test_a_tail_that_is_cut_off_or_a_chain_computed_anew_does_not_fit_the_newest_bundle(anchored, store):
    rows = read_entries(MODEL)
    assert verify_record(MODEL) == []
    rewrite(chained(rows.with_columns(pl.col("entry").str.replace('"by": "Ada"', '"by": "Eve"', literal=True))))
    assert verify_record(MODEL) == [
        "the bundle of version 4 knows another entry 4 than the log: entries up to it were changed"
    ]
    assert list(check_anchor(["a", "b"], Head(3, "c"), "MLflow")) == [
        "MLflow knows of entry 3, but the log ends at 2: entries were cut off"
    ]


@pytest.fixture
def anchored(versions, tiny_model):
    """Version 4, whose bundle keeps the head of the log from before it."""
    import numpy as np

    from tasks.inference.bundle import write_bundle
    from tasks.inference.scorer import Scorer

    promote_by_hand(MODEL, "1", "first", "data")
    log = read_log(MODEL)
    card = {"model": MODEL, "log_head": log.head._asdict()}
    model, probe = tiny_model
    bundle, digests = write_bundle(Scorer(model), card, np.arange(3, dtype=np.uint64), probe, {})
    facts = log.versions["1"].model_dump(exclude={"version", "bundle", "digests"})
    record(MODEL, Judged(version="4", bundle=bundle, digests=digests, **facts))


def test_every_changed_file_of_a_bundle_is_told(anchored, store):
    for number, file in enumerate(sorted(store.glob("bundles/*/*")), 1):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        (fault,) = verify_record(MODEL)
        assert file.name in fault and "sha256 differs" in fault, number
        file.write_bytes(whole)
    assert verify_record(MODEL) == []


def test_an_entry_that_does_not_follow_is_refused_and_a_log_with_one_is_not_used(versions):
    with pytest.raises(InputError, match="is version None now, not 2"):
        record(MODEL, Move(kind="promotion", version="1", replaces="2", as_of=APRIL))
    rows = read_entries(MODEL)
    with pytest.raises(InputError, match=r"entry 2 of the log does not follow \(the next version of m is 1, not 2\)"):
        fold("m", rows.tail(2).with_columns(number=pl.int_range(1, 3)))
    with pytest.raises(InputError, match="missing or doubled"):
        fold("m", rows.tail(2))


def test_a_store_of_an_earlier_layout_is_named_and_left_alone(store):
    (store / "records").mkdir(parents=True)
    with pytest.raises(InputError, match="holds records of an earlier version .* nothing was deleted"):
        read_log(MODEL)
    assert (store / "records").is_dir()


def test_a_number_is_given_once(versions):
    row = read_entries(MODEL).tail(1)
    assert insert_new(DECISIONS, row) == 0
    assert read_rows(DECISIONS, f"model = {literal(MODEL)}").height == 3


def test_a_table_that_lost_its_log_is_not_begun_anew_and_an_empty_commit_is_told(versions, store):
    (newest,) = sorted((store / "decisions" / "_delta_log").glob("*.json"))[-1:]
    whole = newest.read_bytes()
    newest.write_bytes(b"")
    assert verify_record(MODEL) == [f"{newest} is empty: the newest decision may be lost; restore it from a backup"]
    newest.write_bytes(whole)
    (store / "decisions" / "_delta_log").rename(store / "elsewhere")
    with pytest.raises(InputError, match="decisions has lost its entries: restore it from a backup"):
        claim()


def test_a_store_whose_table_is_gone_is_not_begun_anew(versions, store):
    (store / "decisions").rename(store.with_name("elsewhere"))
    with pytest.raises(InputError, match=r"decisions has lost its entries: .* to begin anew, move .*store away"):
        read_log(MODEL)


def test_a_reason_is_one_line_whatever_was_typed(versions):
    promote_by_hand(MODEL, "1", "x\n2013-06-01 promoted by Ada\x1b[31m \udcfc", "data")
    (move,) = read_log(MODEL).moves
    assert move.reason == "x 2013-06-01 promoted by Ada [31m ?"


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("s3:/b/x", "neither a folder nor s3"),
        ("/no/drive/store", "/no/drive is not there"),
        ("http://127.0.0.1/x", "neither a folder nor s3"),
        ("params.yaml", "is a file, not a folder"),
        ("s3://key:SECRET@bucket/x", "a secret does not belong in an address"),
    ],
)
def test_what_can_be_no_store_is_told(own_workspace, monkeypatch, address, sentence):
    monkeypatch.setenv("PARAMS_STORE", address)
    with pytest.raises(InputError, match=sentence) as told:
        read_log(MODEL)
    assert "SECRET" not in str(told.value)
