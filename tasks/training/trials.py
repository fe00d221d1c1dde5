"""Finished trials, kept in an Optuna journal file for each study, so that none is lost and none is run twice."""

import os
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tasks.core.params import STORE


def open_journal(key: str) -> optuna.Study:
    """The journal of the study `key`, made at its first use."""
    folder = STORE / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{key}.journal"
    drop_half_line(file)
    storage = JournalStorage(JournalFileBackend(str(file)))
    return optuna.create_study(study_name=key, storage=storage, load_if_exists=True)


def drop_half_line(file: Path) -> None:
    """What a full disk left of the last line goes; one training at a time writes a journal."""
    written = file.read_bytes() if file.is_file() else b""
    if written and not written.endswith(b"\n"):
        os.truncate(file, written.rfind(b"\n") + 1)


def finished_trials(journal: optuna.Study) -> dict[int, float]:
    """The loss of each finished trial by its number in the study."""
    return {trial.user_attrs["number"]: trial.value for trial in journal.trials if trial.value is not None}


def keep_trial(journal: optuna.Study, trial: optuna.Trial, loss: float) -> None:
    """Append a finished trial; they finish in any order."""
    finished = optuna.trial.create_trial(
        params=trial.params, distributions=trial.distributions, value=loss, user_attrs={"number": trial.number}
    )
    journal.add_trial(finished)
