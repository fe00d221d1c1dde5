"""Check again what is in quarantine: ml replay"""

from prefect import flow

from tasks.core.locks import exclusive
from tasks.core.params import Params, Prefilled
from tasks.core.use_case import load_tables
from tasks.data.ledger import read_ledger
from tasks.data.publish import adopt_version, publish_version
from tasks.data.push import commit_and_push
from tasks.data.quarantine import Chosen, read_quarantine
from tasks.data.replay import replay as replay_quarantine
from tasks.data.working_copy import place_version, refuse_edits
from tasks.operations.landing_page import end_replay, tell_landed
from tasks.operations.serving import hand_over_contexts


@flow(log_prints=True)
def replay(rule: str | None = None, file: str | None = None, params: Params = Prefilled.read()) -> str:
    """Take in the rows and files of the quarantine that are valid by now, after a rule or a source was mended.

    Args:
        rule: Only rows that break this rule, such as distance|min.
        file: Only this file, and the rows that came with it, as `ml quarantine` names it.
        params: What is changed here wins over params.yaml, for this run only.

    Returns:
        The current data version.
    """
    params = params.current()
    tables = load_tables()
    with exclusive("ingest"):
        published = None
        while published is None:
            snapshot = adopt_version(params.data)
            refuse_edits()
            landing = replay_quarantine(snapshot, tables, Chosen(rule, file), params)
            published = publish_version(snapshot, landing, "replayed", params) if landing.ledger.height else snapshot
        place_version(published)
        commit_and_push(published, params.ingest, params.data.timeout)
    hand_over_contexts(params.data, published)
    tell_landed(landing, published.version)
    return end_replay(landing, read_quarantine(read_ledger(published.files)), published.version)


if __name__ == "__main__":
    from flows.cli import main

    main("replay")
