"""params.yaml shows every setting with its default and its help text, and the sample's own file what differs."""

import re
from typing import Any

import pytest
import yaml

from stack.local_stack import ROOT
from tasks.core.params import Params
from tasks.core.params_files import names_of
from tasks.core.sections import Section
from tasks.core.use_case import list_models

FILE, OWN = ROOT / "params.yaml", sorted((ROOT / "project").glob("*/params.yaml"))
SETTING = re.compile(r"^(?P<indent> *)(?P<name>\w+):(?P<value>[^#]*?)(?: +# (?P<comment>.*))?$")


def settings(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their full names, such as tuning.n_trials."""
    found = {}
    for name, value in values.items():
        inside = isinstance(value, dict) and name in Params.model_fields
        found |= settings(value, f"{name}.") if inside else {prefix + name: value}
    return found


def comments() -> dict[str, str | None]:
    """What stands behind each setting and section of params.yaml, by full name."""
    found, section = {}, ""
    for line in FILE.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            said = SETTING.match(line)
            assert said, line
            if not said["indent"]:
                section = said["name"]
            found[f"{section}.{said['name']}" if said["indent"] else section] = said["comment"]
    return found


def descriptions(model: type[Section], prefix: str = "") -> dict[str, str | None]:
    """The help text of each setting and section, by full name."""
    found = {}
    for name, field in model.model_fields.items():
        found[prefix + name] = field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= descriptions(field.annotation, f"{prefix}{name}.")
    return found


def test_every_setting_is_in_params_yaml_with_its_help_text():
    assert comments() == descriptions(Params) and list(comments()) == list(names_of(Params))


def test_the_values_in_params_yaml_are_those_of_the_code():
    said = yaml.safe_load(FILE.read_text())
    assert said.pop("model") in list_models()
    defaults = Params.model_construct(model="late-arrivals")
    for name, value in said.items():
        default = getattr(defaults, name)
        assert (type(default).model_validate(value) if isinstance(default, Section) else value) == default, name
        if isinstance(default, Section):
            assert type(default)() == default, name


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.parent.name)
def test_the_file_of_a_model_holds_known_settings_that_differ_and_no_others(file):
    own, shared = (settings(yaml.safe_load(read.read_text())) for read in (file, FILE))
    assert own and own.keys() <= shared.keys()
    assert [name for name, value in own.items() if value == shared[name]] == []
