"""params.yaml, typed: the only module that opens it or reads PARAMS_* and WORKSPACE."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from tasks.core.spans import Span

WORKSPACE = Path(os.environ.get("WORKSPACE") or Path(__file__).parents[2]).resolve()
STORE = WORKSPACE / "store"


Share = Annotated[float, Field(ge=0, le=1)]
Confidence = Annotated[float, Field(ge=0.5, lt=1)]
Metric = Literal[
    "accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss", "brier", "skill", "rmse", "mae", "r2"
]


def _require_nothing(schema: dict[str, Any]) -> None:
    """In the form a run may give any part of the params: what it leaves out comes from params.yaml."""
    schema.pop("required", None)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, json_schema_extra=_require_nothing)


class Data(Section):
    deadline: Span


class Validation(Section):
    max_bad_share: Share


class Split(Section):
    gate: Span
    validation: Span
    history: Span | None


class Tuning(Section):
    n_trials: int = Field(ge=1)
    batch: int = Field(ge=1)
    workers: int = Field(ge=1)
    sampler: Literal["tpe", "random", "grid"]
    max_rows: int = Field(ge=100)


class Gate(Section):
    minimum: dict[Metric, float]
    maximum: dict[Metric, float]
    confidence: Confidence
    min_days: int = Field(ge=2)
    min_rows: int = Field(ge=1)
    slices: list[str]
    slice_confidence: Confidence
    slice_min_rows: int = Field(ge=1)
    threshold: Share
    max_unfaithful_share: Share


class Promotion(Section):
    mode: Literal["auto", "review"]
    patience: Span


class Ingest(Section):
    source: str = Field(min_length=1)
    commit: bool
    push: bool

    @field_validator("source")
    @classmethod
    def _hold_no_secret(cls, source: str) -> str:
        if "@" in source:
            raise ValueError("a secret does not belong in an address: set the AWS_* variables")
        return source


class Predict(Section):
    backlog: Span


class Monitor(Section):
    min_columns: int = Field(ge=1)
    missing_rise: Share
    min_labels: int = Field(ge=1)
    confidence: Confidence
    report: Literal["alarm", "always", "never"]


class Retrain(Section):
    alarms: int = Field(ge=1)
    of_windows: int = Field(ge=1)
    cooldown: Span
    min_new_rows: int = Field(ge=0)
    every: Span | None


class Params(BaseSettings):
    """The settings of a run: what the run gives wins over PARAMS_* variables, and these over params.yaml."""

    model_config = SettingsConfigDict(
        yaml_file=WORKSPACE / "params.yaml",
        env_prefix="PARAMS_",
        env_nested_delimiter="__",
        env_parse_none_str="null",
        extra="forbid",
        frozen=True,
        json_schema_extra=_require_nothing,
    )

    model: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = Field(ge=0)
    clock: Literal["data", "wall"]
    data: Data
    ingest: Ingest
    validation: Validation
    split: Split
    tuning: Tuning
    gate: Gate
    promotion: Promotion
    predict: Predict
    monitor: Monitor
    retrain: Retrain

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls) -> Self:
        """Params.yaml with the PARAMS_* variables; a mistake ends the process with one sentence."""
        file = WORKSPACE / "params.yaml"
        if not file.is_file():
            sys.exit(f"error: {file} is missing: a workspace needs a params.yaml; is WORKSPACE right?")
        for name in os.environ:
            if name.startswith("PARAMS_") and name[7:].lower().split("__")[0] not in cls.model_fields:
                sys.exit(f"error: the variable {name} names no setting of params.yaml")
        try:
            return cls.model_validate({})
        except yaml.YAMLError as error:
            sys.exit(f"error: {file} is not valid YAML: {' '.join(str(error).split())}")
        except ValidationError as error:
            sys.exit(f"error: {file} or a PARAMS_ variable: {explain(error)}")


def explain(error: ValidationError) -> str:
    """The faults of a validation, each with the full name of its setting."""
    faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return "; ".join(fault.replace("Extra inputs are not permitted", "no such setting") for fault in faults)
