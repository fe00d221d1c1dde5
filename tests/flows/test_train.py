"""The flow on a real server, and the commands as a user types them."""

import re
import subprocess
import sys

import pytest
from receivers import broken_server

from stack.local_stack import clean_environment, make_workspace

pytestmark = pytest.mark.server


def run(workspace, server, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(workspace, PREFECT_API_URL=server, PARAMS_TUNING__N_TRIALS="2", **variables)
    return subprocess.run([sys.executable, "-m", *command], env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_two_trainings_make_a_champion_and_rollback_returns_to_it_without_a_server(server, tmp_path):
    workspace = make_workspace(tmp_path / "work space")
    first = run(workspace, server, "flows.train", "--as-of", "2013-04-01")
    assert first.returncode == 0, first.stderr
    assert "version 1, verdict: promote" in first.stdout and "tuning: 2 of 2 trials" in first.stdout
    second = run(workspace, server, "flows.train", "--as-of", "2013-06-01")
    assert second.returncode == 0, second.stderr
    assert "version 2, verdict: promote" in second.stdout
    replay = run(workspace, server, "flows.train", "--as-of", "2013-05-01")
    assert replay.returncode == 0 and "version 3" in replay.stdout

    with broken_server() as (address, asked):
        back = run(workspace, address, "flows.rollback", "labels say so")
        assert back.stdout.splitlines() == [
            "the Prefect server does not answer, so model.rolled-back is not sent; the fact is on record",
            "version 1 of late-arrivals is the champion again, in place of version 2",
        ]
        assert len(asked) == 1  # it waits for no server
    again = run(workspace, "http://127.0.0.1:9/api", "flows.rollback", "labels say so")
    assert (again.returncode, again.stderr) == (1, "error: late-arrivals has no earlier champion to roll back to\n")
    forward = run(workspace, "http://127.0.0.1:9/api", "flows.promote", "3", "a person knows better")
    assert forward.stdout.endswith("version 3 of late-arrivals is the champion now\n")


@pytest.mark.parametrize(
    ("arguments", "added", "sentence"),
    [
        (["--as-of", "2012-01-01"], "", "lies outside the data"),
        ([], "learning_rate: 0.1", "learning_rate: no such setting"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_1(server, tmp_path, arguments, added, sentence):
    workspace = make_workspace(tmp_path / "workspace")
    with (workspace / "params.yaml").open("a") as file:
        file.write(f"\n{added}\n")
    done = run(workspace, server, "flows.train", *arguments)
    assert done.returncode == 1
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]  # Prefect may say more
    assert sentence in told and "Traceback" not in done.stderr


@pytest.fixture
def quick(params):
    """Params that train on a few weeks."""
    split = params.split.model_copy(update={"history": params.split.validation * 2})
    return params.model_copy(update={"split": split})


def said(caplog) -> str:
    """What the flow printed since this was asked last."""
    text = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("prefect."))
    caplog.clear()
    return text


def test_a_second_run_finds_nothing_new_and_a_changed_gate_judges_again_without_refitting_a_trial(
    server, quick, store, caplog
):
    from flows.train import train

    strict = quick.model_copy(update={"gate": quick.gate.model_copy(update={"minimum": {"roc_auc": 0.99}})})
    rejected = train("2013-03-15", params=strict)
    assert rejected.decision == "reject" and "tuning: 1 of 1 trials (0 kept)" in said(caplog)
    assert train("2013-03-15", params=strict) == rejected
    again = said(caplog)
    assert "nothing new since version 1 was trained" in again and "tuning:" not in again
    assert "features of 3 months: 0 built, 3 reused" in again
    assert train("2013-03-15", params=quick).decision == "promote"
    judged = said(caplog)
    assert "tuning: 1 of 1 trials (1 kept)" in judged and "features of 3 months: 0 built, 3 reused" in judged
    train("2013-03-15", params=quick)
    assert "nothing new since version 2" in (last := said(caplog)) and "has been champion already" in last


def test_a_run_shows_its_verdict_metrics_and_data_on_one_page(server, quick, store):
    from prefect.artifacts import Artifact
    from prefect.client.orchestration import get_client

    from flows.train import train

    verdict = train("2013-03-15", params=quick)
    assert verdict.checks
    with get_client(sync_client=True) as client:
        keys = {found.key for found in client.read_artifacts() if found.key and "arrivals" in found.key}
    assert keys == {"late-arrivals-train", "late-arrivals-train-progress"}
    assert Artifact.get("late-arrivals-train-progress").data == 100
    shown = Artifact.get("late-arrivals-train")
    page = shown.data
    assert shown.description == "\u2714 Promoted late-arrivals" and page.startswith("version 1: all ")
    links = re.findall(r"\]\((http[^)]+)\)", page)
    assert links == ["http://127.0.0.1:4201/index.html"] and (store / "reports" / "index.html").is_file()
    assert page.index("#### Checks") < page.index("#### Metrics") < page.index("![gain by day](data:image/png;base64,")
    assert "1048" not in page and "wind\\_speed|max" in page.replace("_", "\\_").replace("\\|", "|")
