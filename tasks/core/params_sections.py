"""The sections of the settings, each setting with its neutral default, its bounds and its help text."""

from typing import Literal, Self
from zoneinfo import available_timezones

from pydantic import field_validator, model_validator

from tasks.core.secrets import refuse_secret
from tasks.core.sections import Confidence, Section, Share, Span, setting

Metric = Literal[
    "accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss", "brier", "skill", "rmse", "mae", "r2"
]


class Data(Section):
    timeout: Span = setting("60s", "for one whole fetch, push or reading of the landing place; large data needs more")


class Ingest(Section):
    landing: str = setting(
        "landing",
        "a folder of the workspace or s3://bucket/prefix, with TABLE/ANY.parquet (csv, json lines); sources land there",
        min_length=1,
    )
    every: Span = setting("5m", "how often `ml consume --ingest` takes in what landed")
    time_zone: str | None = setting(None, "of landed times that have none, e.g. Europe/Berlin; null refuses them")
    commit: bool = setting(False, "commit data.dvc, and nothing else, after each landing")
    push: bool | None = setting(
        None, "push each new version; null: as soon as a DVC remote other than the sample's is set"
    )

    @field_validator("landing")
    @classmethod
    def _hold_no_secret(cls, landing: str) -> str:
        return refuse_secret(landing)

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError(f"there is no time zone {zone!r}: name one such as Europe/Berlin or UTC")
        return zone


class Validation(Section):
    max_bad_share: Share = setting(
        0.01, "of a month, or of a landed file, that quarantine may take; more stop the run, or set the file aside"
    )
    max_bad_rows: int = setting(10, "so many bad rows of a month or a file are always tolerated", ge=0)
    horizon_before: Span = setting("7305d", "an event may lie so long before the oldest of the data")
    horizon_gap: Span = setting("731d", "an event may lie so long after the newest of the data")
    horizon_after: Span = setting("1d", "an event may lie so long after now; more where it is planned ahead")
    outliers: float | None = setting(
        None,
        "a landed number so many robust standard deviations from the median is a bad row; null is off",
        gt=0,
    )
    late: float | None = setting(
        3.0, "nothing landed for so many times the usual gap of a table: data.late is sent; null is off", gt=0
    )


class Split(Section):
    gate: Span = setting("28d", "newest rows: judge champion and challenger, seen by neither")
    validation: Span = setting("14d", "before them: choose hyperparameters")
    history: Span | None = setting(None, "how far back before the gate training goes, e.g. 90d; null is all")


class Tuning(Section):
    n_trials: int = setting(20, "the first is the untuned default, the second the champion's hyperparameters", ge=1)
    batch: int = setting(4, "trials asked at once; changes the result", ge=1)
    workers: int = setting(2, "threads; never changes the result", ge=1)
    sampler: Literal["tpe", "random", "grid"] = setting(
        "tpe", "tpe, random, or grid (a search space of steps and choices only)"
    )
    max_rows: int = setting(20_000, "training rows a trial fits on; the final fit takes all", ge=100)


class Gate(Section):
    minimum: dict[Metric, float] | None = setting(
        None, "of the challenger on the gate rows, e.g. {roc_auc: 0.65}; null: by kind of target"
    )
    maximum: dict[Metric, float] = setting({}, "e.g. {brier: 0.2}")
    confidence: Confidence = setting(
        0.975, "one-sided, of the gains over baseline and champion (day-block t intervals)"
    )
    min_days: int = setting(14, "gate days; fewer are a rejection", ge=2)
    min_rows: int = setting(2_000, "gate rows; fewer are a rejection", ge=1)
    slices: list[str] = setting([], "features; no value of these may be clearly worse than under the champion")
    slice_confidence: Confidence = setting(0.95, "one-sided, that a slice is worse")
    slice_min_rows: int = setting(500, "values with fewer gate rows are not judged", ge=1)
    threshold: Share = setting(0.5, "probability from which accuracy, precision, recall and F1 count a row as positive")
    max_onnx_mismatch: Share = setting(
        0.001, "share of gate rows on which the ONNX file and scikit-learn may differ by more than 0.001"
    )


class Promotion(Section):
    mode: Literal["auto", "review"] = setting(
        "auto", "auto: what passes the gate is promoted; review: a person has the last word"
    )
    review_timeout: Span = setting("7d", "a review that nobody answers in this time counts as rejected")


class Predict(Section):
    backlog: Span = setting("35d", "how far back rows that nobody scored yet are looked for")


class Serve(Section):
    history: Span = setting("7d", "events so long before as_of are still answered; their past is handed over, too")
    horizon: Span = setting("2d", "events so long after as_of (clock: wall: after now) are answered")
    fsync: bool = setting(False, "an answer waits until its log is on the disk, not just with the system")
    ship: Span = setting("60s", "how long the log of an endpoint is written to before predict may remove it")
    max_body: int = setting(1_000_000, "bytes of a request", ge=1_000)
    max_rows: int = setting(1_000, "rows of a request", ge=1)
    max_queue: int = setting(10_000, "rows that wait for their turn; more are turned away with 503", ge=1)
    log_inputs: Share = setting(1.0, "share of the answers whose inputs are kept; scores are kept of all")
    keep_inputs: Span | None = setting(None, "how long inputs are kept, e.g. 90d; null is for good")


class Monitor(Section):
    min_columns: int = setting(2, "so many columns above their calibrated thresholds are drift", ge=1)
    missing_rise: Share = setting(0.05, "by which the missing share of a column may rise before it is a finding")
    min_labels: int = setting(2_000, "labelled predictions below which quality is not judged", ge=1)
    confidence: Confidence = setting(0.975, "one-sided, that the champion is worse than its predecessor")
    late_share: Share = setting(
        0.1, "of scores that differ from those on complete features; more are told as features.late"
    )
    late_window: Span = setting("1d", "newest events whose scores are compared so")
    report: Literal["alarm", "always", "never"] = setting(
        "alarm", "when an Evidently report is rendered: alarm, always or never"
    )


class Retrain(Section):
    alarms: int = setting(1, "train if at least so many of the newest of_windows windows drifted", ge=1)
    of_windows: int = setting(1, "see alarms", ge=1)
    cooldown: Span = setting("14d", "after a training or a rollback")
    min_new_rows: int = setting(5_000, "labelled since the last training", ge=0)
    every: Span | None = setting(None, "train without drift after the first training, e.g. 90d; null is never")

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.alarms > self.of_windows:
            raise ValueError(f"alarms {self.alarms} of of_windows {self.of_windows} can never drift: raise of_windows")
        return self
