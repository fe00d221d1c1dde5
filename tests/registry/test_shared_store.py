"""A store on S3 that two machines share: what one makes the other uses, and both decide in one log."""

import numpy as np
import pytest
from stores import use_workspace

from tasks.core.errors import InputError
from tasks.registry.decision_log import read_log
from tasks.registry.promotion import promote_by_hand, roll_back
from tasks.registry.verify import verify_record
from tasks.registry.versions import load_version

MODEL = "late-arrivals"


def test_a_machine_fetches_the_bundles_that_it_lacks_and_checks_them(s3_store, two_workspaces, make_versions):
    here, there = two_workspaces
    use_workspace(here)
    make_versions()
    promote_by_hand(MODEL, "1", "first", "data")
    use_workspace(there)
    promote_by_hand(MODEL, "2", "better", "data")
    assert np.array_equal(load_version(read_log(MODEL), "2").seen, np.arange(3))
    assert roll_back(MODEL, "worse", "data").version == "1"
    assert read_log(MODEL).champion() == "1" and verify_record(MODEL) == []
    bundle = read_log(MODEL).versions["3"].bundle
    s3_store.pipe_file(f"shared/prefix/bundles/{bundle}/card.json", b"{}")
    use_workspace(here)
    (fault,) = verify_record(MODEL)  # whatever copies this machine has
    assert "card.json is not the file" in fault
    with pytest.raises(InputError, match=r"card\.json is not the file that was registered"):
        load_version(read_log(MODEL), "3")
    assert read_log(MODEL).champion() == "1"
    assert not (here / "store").exists() and not (there / "store").exists()


def test_a_copy_that_was_fetched_and_damaged_is_fetched_again(s3_store, two_workspaces, make_versions):
    use_workspace(two_workspaces[0])
    make_versions()
    log = read_log(MODEL)
    load_version(log, "1")
    for file in (two_workspaces[0] / "cache" / "store").rglob("model.onnx"):
        file.write_bytes(b"")
    assert load_version(log, "1").card["number"] == "1"
