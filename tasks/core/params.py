"""The settings of a run, each with its neutral default, its bounds and its help text.

Order: the neutral defaults here < params.yaml < project/NAME/params.yaml < PARAMS_* < what a run gives.
"""

import re
from typing import Any, Literal, Self

from pydantic import (
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from tasks.core.errors import InputError
from tasks.core.params_files import explain, fill_in, find_source, translate
from tasks.core.params_sections import (
    Data,
    Gate,
    Ingest,
    Monitor,
    Predict,
    Promotion,
    Retrain,
    Serve,
    Split,
    Tuning,
    Validation,
)
from tasks.core.run_settings import Settings, differing, model_of, only_given, read_form, tell_settings
from tasks.core.secrets import refuse_secret, refuse_secrets
from tasks.core.sections import Section, section, setting
from tasks.core.workspace import workspace

SOURCE = re.compile(r"[a-z][a-z0-9_]{0,39}")  # the name of a source, which begins the names of its files


class Params(Section):
    """The settings of one run; `model` says which model's they are, "" those of the workspace alone."""

    model: SkipJsonSchema[str] = setting(
        "", "of a command, run or schedule that names none; left out: the only one of project/", exclude=True
    )
    seed: int = setting(0, "of subsamples, samplers and models", ge=0)
    store: str = setting(
        "store", "what the loop keeps, a folder of the workspace or s3://bucket/prefix; one for all runs", min_length=1
    )
    clock: Literal["data", "wall"] = setting(
        "data", "as_of when a run names none: data (newest prediction time or outcome) or wall (now)"
    )
    data: Data = section(Data, "fetching and pushing of data versions")
    ingest: Ingest = section(Ingest, "where new data comes from, and where it goes")
    sources: dict[str, dict[str, Any]] = setting(
        {}, "databases, APIs, streams and folders of others by name, each for one table (docs/how-to/sources.md)"
    )
    validation: Validation = section(Validation, "rows against the contract")
    split: Split = section(Split, "rows in time order: train, validation, gate")
    tuning: Tuning = section(Tuning, "the search for hyperparameters")
    gate: Gate = section(Gate, "what a challenger must show to be promoted")
    promotion: Promotion = section(Promotion, "who has the last word")
    predict: Predict = section(Predict, "batch scoring")
    serve: Serve = section(Serve, "the endpoint")
    monitor: Monitor = section(
        Monitor, "a window is the 28 days before the first of a month (earlier days are in no check)"
    )
    retrain: Retrain = section(Retrain, "when trainings that answer drift or a schedule go; one by hand always goes")

    _given: Settings = PrivateAttr(default_factory=dict)  # what the others were filled in beside

    @field_validator("store")
    @classmethod
    def _hold_no_secret(cls, store: str) -> str:
        return refuse_secret(store)

    @field_validator("sources")
    @classmethod
    def _name_variables(cls, sources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, settings in sources.items():
            if not SOURCE.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a source: use small letters, digits and _")
            refuse_secrets(settings)
        return sources

    @model_validator(mode="wrap")
    @classmethod
    def _fill_in(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, dict):
            return handler(given)
        made = handler(fill_in(given))
        made._given = translate(given)
        return made

    @classmethod
    def load(cls, model: str | None = None) -> Self:
        """What the files and the PARAMS_* variables say.

        Args:
            model: Its name; left out, that of params.yaml, else the only one of project/; "" for what all models share.

        Raises:
            InputError: params.yaml is missing, a setting is unknown or out of bounds, or there is no such model.
        """
        if not workspace().params.is_file():
            raise InputError(f"{workspace().params} is missing: a workspace needs a params.yaml; is WORKSPACE right?")
        try:
            return cls.model_validate({} if model is None else {"model": model})
        except ValidationError as error:
            source = find_source(model, error.errors()[0]["loc"])
            raise InputError(f"{source}: {explain(error, cls)}") from None

    def current(self, model: str | None = None, event: str = "") -> "Params":
        """The settings of a run: those of its model's files, and over them what the run was given.

        A field that says what the form showed when the flow was deployed counts as not given.

        Args:
            model: As the run was given it.
            event: The entry of a log that started the run, whose model it is then.
        """
        form, wanted = translate(read_form()), model_of(event, model) or self.model
        if wanted == self.model and not form:
            return self
        given = differing(only_given(self.model_dump(mode="json"), self._given), form)
        chosen = Params.load(wanted)
        if not given:
            return chosen
        print(f"given for this run: {', '.join(tell_settings(given))}")
        changed = {}
        for name, value in given.items():
            part = getattr(chosen, name)
            if isinstance(part, Section):
                changed[name] = part.change(value)
            else:
                changed[name] = part | value if isinstance(part, dict) else value
        return chosen.model_copy(update=changed)


class Prefilled(Params):
    """The default of a flow's form in the Prefect UI: what the files said when the flow was deployed."""

    @classmethod
    def read(cls) -> "Prefilled":
        """What the files say; a mistake in them is told when a flow runs, not when it is imported."""
        try:
            return cls.load()
        except Exception:  # whatever a file may hold
            return cls.model_construct(model="")

    def current(self, model: str | None = None, event: str = "") -> Params:
        """A run that was given no settings reads the files again."""
        return Params.load(model_of(event, model))
