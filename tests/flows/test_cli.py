"""The command ml: typed wrong it does nothing and says so, and nothing that data says moves a terminal."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from stacks import processes_of
from stores import new_workspace

from flows.cli import app
from stack.local_stack import ROOT, clean_environment
from tasks.registry.decision_log import record
from tasks.registry.entries import Checked
from tasks.registry.promotion import promote_by_hand

COMMANDS = sorted(name for name in app if not name.startswith("-"))
ML = [sys.executable, "-m", "flows.cli"]


def ml(folder: Path, *given: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command as in a terminal of its own, in a workspace."""
    environment = clean_environment(folder, **variables) | {"WORKSPACE": ""}
    done = subprocess.run([*ML, *given], cwd=cwd or folder, env=environment, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_every_command_is_there():
    said = {"status", "train", "predict", "monitor", "ingest", "features", "promote", "rollback", "review", "audit"}
    said |= {"refusals", "tidy", "new", "up", "alerts", "mlflow", "serve"}
    said |= {"sources", "consume", "quarantine", "replay", "versions", "backup", "restore", "clean"}
    assert said | {"demo"} == set(COMMANDS) | {"demo"}


ANSWER = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from flows.cli import main
for line in sys.stdin:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(*json.loads(line))
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Terminal:
    """A process that answers one command after the other, in a workspace of its own."""

    def __init__(self, workspace: Path) -> None:
        self.workspace, pipes = workspace, {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-c", ANSWER]
        self.process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(workspace), **pipes)

    def type(self, *given: str) -> tuple[int, str, str]:
        """The exit code of a command, and what it says."""
        self.process.stdin.write(json.dumps(given) + "\n")
        self.process.stdin.flush()
        return tuple(json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    """Where commands are typed that do nothing."""
    opened = Terminal(new_workspace(tmp_path_factory.mktemp("typed") / "work späce"))
    yield opened
    opened.process.communicate()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_an_unknown_option_change_nothing(command, terminal):
    before = content(terminal.workspace)
    code, out, _ = terminal.type(command, "--help")
    assert code == 0 and f"Usage: ml {command}" in out
    code, _, err = terminal.type(command, "--nonsense")
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1
    assert content(terminal.workspace) == before


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("trian", 'Unknown command "trian". Did you mean "train"?'),
        ("train --frce", "Unknown option: --frce. Did you mean --force?"),
        ("train --as-of 2013-13-01", "'2013-13-01' is no moment: give a date or a time in UTC, as 2024-06-01T12:00"),
        ("train --as-of 0001-01-01", "0001-01-01T00:00:00: give a year from 1900 to 2199"),
        ("predict --since 9999-12-31T23:30-05:00", "give a year from 1900 to 2199"),
        ("monitor --model late-arivals", "project/ holds no model 'late-arivals': it holds "),
        ("train --set tuning.n_trails=5", "--set: tuning.n_trails: no such setting; did you mean tuning.n_trials?"),
        ("train --set tuning.n_trials=0", "--set: tuning.n_trials: "),
        ("train --set trials", "--set trials: give section.name=value, such as tuning.n_trials=5"),
        ("train --set tuning.n_trials={", "the value is no YAML"),
        ("train --set seed=2001-99-99", "--set seed=2001-99-99: the value is no YAML"),
        ("train --set seed=1 --set seed=2", "--set seed: it is given twice"),
        ("train --set tuning=6 --set tuning.n_trials=5", "--set tuning.n_trials: it is given twice"),
        ("train --set model=arrival-delay", "--set model: give --model NAME"),
        ("st\x1b[31m", "st\\x1b[31m"),
        ("train --force", '--force needs a reason: ml train --force --reason "why"'),
        ("promote 3", "REASON"),
        ("review 3 approve", 'an answer needs all three: ml review VERSION approve|reject "why"'),
        ("review 3 maybe why", "maybe"),
    ],
)
def test_what_is_typed_wrong_is_one_sentence_and_exit_code_2(typed, said, terminal):
    code, out, err = terminal.type(*typed.split())
    assert code == 2 and said in err and err.startswith("error: ")
    assert err.count("\n") == 1 and not out


def typed_in_docs() -> list[str]:
    """Every command line of ml that README and docs show, without its variables and comments."""
    texts = [file.read_text() for file in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]
    inline = [code for text in texts for code in re.findall(r"`([^`\n]+)`", text)]
    fenced = [line for text in texts for line in re.findall(r"^ *(.*)$", text, re.MULTILINE)]
    found = (re.match(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?ml ([a-z].*)", line.strip()) for line in inline + fenced)
    return sorted({re.split("   |`", match[1])[0] for match in found if match})


@pytest.mark.parametrize("typed", typed_in_docs())
def test_every_command_of_the_docs_can_be_typed(typed):
    example = {"approve|reject": "approve", "arrival-minutes": "arrival-delay"}
    given = [example.get(part, part) for part in shlex.split(typed)]
    assert given[0] in COMMANDS
    if len(given) > 1:
        app.parse_args(given, exit_on_error=False, print_error=False)


def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(own_workspace):
    done = ml(own_workspace, "rollback", "cold feet")
    assert (done.returncode, done.stderr) == (1, "error: late-arrivals has no earlier champion to roll back to\n")


@pytest.mark.parametrize("typed", ["monitor", "alerts"])
def test_a_server_that_does_not_answer_is_one_sentence_without_the_password(typed, own_workspace):
    done = ml(own_workspace, typed, PREFECT_API_URL="http://me:SECRET@127.0.0.1:9/api")
    assert done.returncode == 1 and "SECRET" not in done.stdout + done.stderr
    assert "http://127.0.0.1:9/api (PREFECT_API_URL) does not answer" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("home", ["/proc/nowhere", "/etc/hostname"])
def test_a_home_of_prefect_that_cannot_be_written_is_told_before_its_server_is_waited_for(home, own_workspace):
    done = ml(own_workspace, "ingest", PREFECT_HOME=home)
    told = f"error: Prefect cannot write to {home}: set PREFECT_HOME to a folder that can be written"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, told)  # Prefect warns of it, too


def test_of_a_temporary_server_that_fails_one_sentence_is_shown_and_no_traceback(own_workspace):
    variables = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:////proc/nowhere/prefect.db"}
    done = ml(own_workspace, "ingest", PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="5", **variables)
    assert done.returncode == 1 and done.stderr.startswith("error: Prefect's temporary server did not start: ")


def test_a_server_that_refuses_us_keeps_nobody_from_the_record(own_workspace):
    refusing = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=refusing.serve_forever, daemon=True).start()
    done = ml(own_workspace, "status", PREFECT_API_URL=f"http://127.0.0.1:{refusing.server_port}/api")
    refusing.shutdown()
    assert done.returncode == 0 and "no Prefect server answers" in done.stdout


class Refusing(BaseHTTPRequestHandler):
    """Says that it is well, and refuses the rest."""

    def do_GET(self):
        self.send_response(200 if self.path.endswith("/health") else 401)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


def test_a_store_that_does_not_answer_is_one_sentence(own_workspace):
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "SECRET"}
    done = ml(own_workspace, "status", PARAMS_STORE="s3://bucket/prefix", AWS_ALLOW_HTTP="true", **variables)
    assert done.returncode == 1 and "SECRET" not in done.stderr
    assert "http://127.0.0.1:9 (AWS_ENDPOINT_URL)" in done.stderr
    assert done.stderr.startswith("error: ") and "s3://bucket/prefix" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(closed, own_workspace):
    command = f"{shlex.join([*ML, 'rollback', 'cold feet'])} {closed}; echo $?"
    bash, environment = ["bash", "-c", command], clean_environment(own_workspace)
    done = subprocess.run(bash, cwd=ROOT, env=environment, capture_output=True, text=True)
    told = "" if "2>&-" in closed else "error: late-arrivals has no earlier champion to roll back to\n"
    assert (done.stdout, done.stderr) == ("1\n", told)


def test_the_workspace_is_that_of_the_folder_one_is_in_however_deep(own_workspace):
    deep = own_workspace / "notes" / "of mine"
    deep.mkdir(parents=True)
    (own_workspace / "params.yaml").write_text("modle: x\n")
    done = ml(own_workspace, "status", cwd=deep)
    assert done.returncode == 1 and f"{own_workspace}/params.yaml: modle: no such setting" in done.stderr


def test_the_command_of_one_clone_does_not_work_on_another(tmp_path):
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "cli.py").touch()
    (tmp_path / "params.yaml").touch()
    command = [sys.executable, "-c", "from flows.cli import main; main()", "status"]
    environment = clean_environment(tmp_path) | {"WORKSPACE": ""}
    done = subprocess.run(command, cwd=tmp_path / "flows", env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr == f"error: {tmp_path} has code of its own: use {tmp_path}/.venv/bin/ml there, or set WORKSPACE\n"
    )


@pytest.mark.slow
def test_control_characters_of_a_reason_or_a_file_name_are_shown_and_not_obeyed(versions, store, own_workspace):
    promote_by_hand("late-arrivals", "1", "fine\x1b[2J\nerror: forged", "data")
    for command in ("status", "audit", "status --json"):
        done = ml(own_workspace, *command.split())
        assert done.returncode == 0 and "\x1b" not in done.stdout and "\nerror: forged" not in done.stdout
    evil = own_workspace / "landing" / "flights" / "a\x1b[2J\nerror: forged.parquet"
    evil.parent.mkdir(parents=True)
    evil.write_bytes(b"no parquet")
    done = ml(own_workspace, "ingest")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "\\x1b[2J" in said and "\x1b" not in said and "\nerror: forged" not in said


QUALITY = {"rows": 9, "metrics": {"skill": 0.1}, "predecessor": "1", "gain": None}
CHECKS = {
    "2013-08-01": {"rows": 9, "drifted": ["temp"], "quality": QUALITY, "rejected": None},
    "2013-09-01": {"rows": 9, "drifted": ["humid"], "quality": None, "rejected": None},
}


def test_status_tells_champion_windows_and_what_waits_as_a_table_and_for_a_machine(versions, own_workspace):
    empty = ml(own_workspace, "status", "--model", "arrival-delay").stdout
    assert empty.startswith("arrival-delay: no champion yet\n  nothing was trained: ml train --model arrival-delay\n")
    promote_by_hand("late-arrivals", "1", "first", "data")
    promote_by_hand("late-arrivals", "2", "better", "data")
    for window, check in CHECKS.items():
        facts = {"window": window, "alarm": True, "degraded": False, "check": check, "findings": ""}
        record("late-arrivals", Checked(version="2", as_of=datetime(2013, 9, 1, tzinfo=UTC), **facts))
    said = ml(own_workspace, "status").stdout
    rows = [line.split() for line in said.splitlines() if line.startswith("2013-")]
    assert rows == [
        ["2013-08-01", "2", "drifted", "9", "skill", "0.1000", "temp"],
        ["2013-09-01", "2", "drifted", "humid"],
    ]
    assert "drift of window 2013-09-01 has no training yet" in said
    assert "late-arrivals: champion version 2 since 2013-08-01, promotion by " in said
    assert "a rollback returns to version 1" in said and "newest verdict: version 3, as of 2013-08-01" in said
    assert (
        "is in one place only: `dvc remote add -d storage URL`" in said
        and "no Prefect server answers (PREFECT_API_URL)" in said
    )
    found = json.loads(ml(own_workspace, "status", "--json", "--model", "late-arrivals").stdout)
    (model,) = found["models"]
    assert model["champion"]["version"] == "2" and [of["version"] for of in model["verdicts"]] == ["1", "2", "3"]
    assert found["next_runs"] is None


def test_data_that_is_in_one_place_only_or_in_none_is_said_to_be(own_workspace):
    remote = own_workspace / ".dvc" / "remote"
    (own_workspace / ".dvc" / "config").write_text(
        "[core]\n    remote = there\n['remote \"there\"']\n    url = remote\n"
    )
    shutil.rmtree(remote, ignore_errors=True)
    remote.mkdir()
    assert "is NOT whole in the DVC remote there: `dvc push`" in ml(own_workspace, "status").stdout
    shutil.rmtree(own_workspace / ".dvc" / "cache")
    assert "is neither in this machine's DVC cache nor whole" in ml(own_workspace, "status").stdout
    (own_workspace / "data.dvc").write_text("outs:\n- md5: ../../x\n")
    assert "data.dvc tracks ../../x, not a folder" in ml(own_workspace, "status").stdout


@pytest.mark.parametrize(
    ("typed", "spared"),
    [
        ("--help", {"prefect", "mlflow", "polars", "sklearn"}),
        ("status", {"prefect", "mlflow", "sklearn", "project"}),
        ("audit", {"mlflow", "sklearn", "project"}),
        ("refusals", {"prefect", "mlflow", "sklearn", "project"}),
    ],
)
def test_a_quick_command_loads_little(typed, spared, own_workspace):
    code = (
        f"import sys\nfrom flows.cli import main\ntry: main()\nfinally: print('loaded', {spared} & sys.modules.keys())"
    )
    environment = clean_environment(own_workspace)
    done = subprocess.run(
        [sys.executable, "-c", code, typed], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "loaded set()"), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_a_training_ends_it_in_one_line_and_leaves_no_server(number, own_workspace):
    heard = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); from flows.cli import main; main()"
    command = [sys.executable, "-c", heard, "train", "--as-of", "2013-04-01", "--set", "tuning.n_trials=500"]
    environment = clean_environment(own_workspace)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True, **pipes) as process:
        said = ""
        while "tuning: 4 of 500" not in said:
            said += (line := process.stdout.readline())
            assert line, said
        servers = processes_of(own_workspace, "prefect.server.api.server")
        if number == signal.SIGINT:  # of a terminal the temporary server has it, too
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)
        assert (process.stderr.read(), process.wait()) == ("stopped; what is on record stands\n", 128 + number)
    assert servers and not processes_of(own_workspace, "prefect.server.api.server")
