"""The command `ml`: every capability from a terminal, each with --help. `python -m flows.train` is `ml train`."""

import os
import sys
from importlib import import_module
from runpy import run_module
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from tasks.core.errors import escape_controls
from tasks.core.workspace import CODE
from tasks.operations.markdown import NO_WIDTH
from tasks.operations.options import Address, AsOf, DataRev, Given, Json, Model, Since, UsageError, read_given
from tasks.operations.terminal import enter_workspace, require_prefect_home, say, show_own_lines, told_plainly

WRONG = 2  # the exit code of a command that was typed wrong

app = App(
    name="ml",
    help="Automate the life of machine-learning models; ml COMMAND --help tells more.",
    version_flags=[],
    print_error=False,
    exit_on_error=False,
    result_action="return_none",
    default_parameter=Parameter(negative=(), show_default=False),
)
app.register_install_completion_command()
Reason = Annotated[str, Parameter(help="why; it goes on the record with your name")]

for _name, _help in {
    "status": "Each model's champion, its quality and drift, what waits, and what runs next.",
    "audit": "Lineage and history of a version; without one, a line for each version.",
    "refusals": "Why it did not retrain, or not roll back: the newest refusals first.",
    "features": "The features of the newest month, or those of one row with what they were made of.",
    "sources": "Databases, APIs, streams and folders of others: how far each is read; `test NAME` shows how it fits.",
    "quarantine": "The rows and files that are in no data version, by reason, with examples.",
    "versions": "The data versions with what each changed; `use` makes an older one current.",
    "backup": "Copy what cannot be made again to a folder or s3://bucket/prefix, also while the loop runs.",
    "restore": "Bring a backup into a workspace whose store is empty.",
    "clean": "Remove old caches, reports and data that no model on record needs; lists them first.",
    "new": "Begin a model, with example features and settings that suit its data.",
}.items():
    app.command(f"flows.{_name}:{_name}", name=_name, help=_help)
app.command("flows.consume:start", name="consume", help="Land what streams bring, each minute, until Ctrl-C.")


def main(*command: str) -> None:
    """Run a command; the process ends with 0, with 1 if it could not be done, with 2 if it was typed wrong."""
    with told_plainly():
        try:
            enter_workspace()
            app([*command, *sys.argv[1:]])
        except (CycloptsError, UsageError) as error:
            sys.stderr.write(f"error: {escape_controls(' '.join(str(error).split()))}\n")
            sys.exit(WRONG)


def run_flow(name: str, *given: Any, **named: Any) -> None:
    """Run a flow here, and print what came of it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{name}: Prefect starts, which takes some seconds\n")
    require_prefect_home()
    flow = getattr(import_module(f"flows.{name}"), name)
    show_own_lines()
    state = flow(*given, **named, return_state=True)
    state.result()
    say(f"{state.name}: {state.message}".replace(NO_WIDTH, ""))


@app.command
def train(
    *,
    as_of: AsOf = None,
    data_rev: DataRev = None,
    reason: Reason = "",
    force: bool = False,
    model: Model = None,
    given: Given = None,
) -> None:
    """Tune, fit and judge a challenger; it takes the champion's place only on evidence.

    Args:
        force: Train although the policy would wait; never passes the gate, and needs a reason.
    """
    if force and not reason:
        raise UsageError('--force needs a reason: ml train --force --reason "why"')
    run_flow("train", as_of, data_rev, force=force, reason=reason, model=model, params=read_given(model, given))


@app.command
def predict(
    *,
    source: Annotated[Address | None, Parameter("--from")] = None,
    target: Annotated[Address | None, Parameter("--to")] = None,
    as_of: AsOf = None,
    since: Since = None,
    data_rev: DataRev = None,
    model: Model = None,
    given: Given = None,
) -> None:
    """Score with the champion every row that nobody scored yet, or the rows of a file.

    Args:
        source: A parquet file, a folder of them or s3://bucket/name, with the columns of the contract but the outcomes;
            its scores are not logged.
        target: The parquet file of their scores.
    """
    if source or target:
        if not (source and target):
            raise UsageError("give both: --from FILE --to FILE")
        from flows.predict import predict_file

        predict_file(source, target, as_of, data_rev, read_given(model, given))
        return
    run_flow("predict", as_of, since, data_rev, model=model, params=read_given(model, given))


@app.command
def monitor(*, as_of: AsOf = None, data_rev: DataRev = None, model: Model = None, given: Given = None) -> None:
    """Check the newest window: drift, and where labels have arrived the quality of what was served."""
    run_flow("monitor", as_of, data_rev, model=model, params=read_given(model, given))


@app.command
def ingest(*, given: Given = None) -> None:
    """Read the sources, and take in what landed: into the data, or into quarantine."""
    run_flow("ingest", params=read_given("", given))


@app.command
def replay(*, rule: str | None = None, file: str | None = None, given: Given = None) -> None:
    """Check again what is in quarantine, after a rule or a source was mended.

    Args:
        rule: Only rows that break this rule, such as distance|min.
        file: Only this file and the rows that came with it, as ml quarantine names it.
    """
    run_flow("replay", rule, file and file.removeprefix("landing/"), params=read_given("", given))


@app.command
def promote(version: str, reason: Reason, /, *, model: Model = None) -> None:
    """Override the gate and make a version champion; needs no server.

    Args:
        version: Its number, as ml audit lists it.
    """
    from flows.promote import promote as run

    run.fn(version, reason, params=read_given(model))


@app.command
def rollback(reason: Reason, /, *, champion: str | None = None, model: Model = None) -> None:
    """Return to the previous champion; needs no server.

    Args:
        champion: Act only if this version is still champion.
    """
    from flows.rollback import rollback as run

    run.fn(reason, champion, params=read_given(model))


@app.command
def review(
    version: str | None = None,
    decision: Literal["approve", "reject"] | None = None,
    note: Reason = "",
    /,
    *,
    name: str | None = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """List the reviews, or answer one without the form of the Prefect UI.

    Args:
        version: The challenger, as ml review alone lists it.
        name: Who answers, if not this account.
    """
    from flows.review import answer_here, list_reviews
    from tasks.registry.decision_log import read_log

    params = read_given(model)
    if version is None:
        list_reviews(read_log(params.model), as_json)
    elif decision is None or not note:
        raise UsageError('an answer needs all three: ml review VERSION approve|reject "why"')
    else:
        answer_here(params, version, decision, note, name)


@app.command
def tidy() -> None:
    """Close runs whose process is gone, compact the tables, make again what MLflow lost."""
    run_flow("tidy")


@app.command
def serve(*, model: Model = None, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Answer over HTTP with the champion's scores; Ctrl-C stops it.

    Args:
        model: Only this one; left out, all of project/.
        host: Another address than loopback needs keys, in SERVE_API_KEYS.
        port: The port, 8000.
    """
    chosen = ["--model", model] if model else []
    command = [sys.executable, "-m", "serving", "--host", host, "--port", str(port), *chosen]
    os.execv(sys.executable, command)  # noqa: S606  a process that holds nothing but the endpoint


@app.command
def up() -> None:
    """Start server, worker, deployments, endpoint and reports on loopback; Ctrl-C stops them."""
    from stack.up import main as start

    read_given("")  # a mistake in the settings is told before anything is started
    sys.exit(start())


@app.command
def alerts() -> None:
    """Bring the server in line with automations.yaml and prefect.yaml; removes what they no longer hold."""
    from tasks.operations.sync import main as sync

    sync()


@app.command
def mlflow(*, port: int = 5000) -> None:
    """Open MLflow's UI with all trainings and checks, on loopback; Ctrl-C stops it."""
    from tasks.operations.mlflow_ui import open_ui

    open_ui(port)


if (CODE / "demo" / "__main__.py").is_file():

    @app.command
    def demo() -> None:
        """Play eight months of the loop on the sample, in demo/workspace (about 3 minutes)."""
        run_module("demo", run_name="__main__")


if __name__ == "__main__":
    main()
