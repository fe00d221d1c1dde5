"""What the sections of the settings are made of."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tasks.core.errors import InputError
from tasks.core.params_files import explain
from tasks.core.run_settings import Settings
from tasks.features.durations import format_duration, parse_duration

Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[wdhms]$")]  # as a form sends it
Span = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=Duration),
    PlainSerializer(format_duration, return_type=str),
    Field(gt=timedelta(0), le=timedelta(days=36_500), examples=["28d"]),
]
Share = Annotated[float, Field(ge=0, le=1)]
Confidence = Annotated[float, Field(ge=0.5, lt=1)]


def setting(default: Any, description: str, **bounds: Any) -> Any:
    """A setting with its neutral default; the description is the help text of the form in the Prefect UI."""
    return Field(default=default, description=description, **bounds)


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        frozen=True,
        validate_default=True,
        field_title_generator=lambda name, _: name,  # in the form as in params.yaml
    )

    def change(self, given: Settings) -> Self:
        """The section with some settings changed.

        Raises:
            InputError: Together with the others they cannot hold.
        """
        try:
            return type(self).model_validate(self.model_dump() | given)
        except ValidationError as error:
            raise InputError(f"given for this run: {explain(error, type(self))}") from None


def section(kind: type[Section], description: str) -> Any:
    """A section whose settings all have their defaults."""
    return Field(default=kind(), description=description)


class FormOf:
    """The settings that the form of a flow shows, as Annotated[Params, FormOf("seed")]; all of them may be given."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        shown = {name: schema["properties"][name] for name in self.names}
        return {name: value for name, value in schema.items() if name != "additionalProperties"} | {"properties": shown}
