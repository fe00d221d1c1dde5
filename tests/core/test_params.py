"""Settings: five sources in their order, names of yesterday, and refusals that name file, setting and fix."""

import shutil

import pytest
import yaml
from pydantic import ValidationError

from flows.promote import promote
from stack.local_stack import ROOT
from tasks.core import params_files, use_case
from tasks.core.errors import InputError
from tasks.core.params import Params, Prefilled
from tasks.core.params_files import names_of
from tasks.core.sections import Section


@pytest.fixture
def files(own_workspace, tmp_path, monkeypatch):
    """A workspace and a model without settings of their own: the two files that may hold some."""
    shutil.copytree(ROOT / "project", tmp_path / "code" / "project", ignore=shutil.ignore_patterns("__pycache__"))
    for part in (params_files, use_case):
        monkeypatch.setattr(part, "CODE", tmp_path / "code")
    own = tmp_path / "code" / "project" / "late_arrivals" / "params.yaml"
    own.unlink()
    shutil.rmtree(tmp_path / "code" / "project" / "arrival_delay")
    (own_workspace / "params.yaml").write_text("")
    return {"params.yaml": own_workspace / "params.yaml", "project": own}


@pytest.fixture
def give(files, monkeypatch):
    """Call it to give a setting such as tuning.n_trials in one of the sources; returns what a run gives."""

    def call(source: str, setting: str, value) -> dict:
        if source in files:
            files[source].write_text(yaml.safe_dump(nested(setting, value)))
        elif source == "variable":
            monkeypatch.setenv(f"PARAMS_{setting.upper().replace('.', '__')}", str(value))
        return nested(setting, value) if source == "run" else {}

    return call


def nested(setting: str, value) -> dict:
    """A setting with its value as a dict of sections."""
    for name in reversed(setting.split(".")):
        value = {name: value}
    return value


SOURCES = ["params.yaml", "project", "variable", "run"]


def value_of(params: Params, setting: str):
    """What a setting is."""
    for name in setting.split("."):
        params = getattr(params, name)
    return params


def test_a_run_overrides_one_setting_and_keeps_the_others(params):
    given = Params.model_validate({"tuning": {"n_trials": 7}, "gate": {"minimum": {"skill": 0.1}}})
    assert given.tuning.n_trials == 7
    assert given.tuning.batch == params.tuning.batch
    assert given.split == params.split
    assert given.gate.minimum == {"skill": 0.1} and given.gate.slices == params.gate.slices


@pytest.mark.parametrize(("setting", "default"), [("seed", 0), ("tuning.n_trials", 20)])
def test_each_source_wins_over_those_before_it(give, setting, default):
    given, said = {}, [value_of(Params.load(), setting)]
    for number, source in enumerate(SOURCES, 1):
        given = give(source, setting, number)
        said.append(value_of(Params.model_validate(given), setting))
    assert said == [default, 1, 2, 3, 4]
    assert value_of(Params.load(), setting) == 3


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_names_one_setting_of_a_section_leaves_the_others_to_the_rest(give, source):
    others = iter([("tuning.batch", 1), ("tuning.workers", 3), ("tuning.max_rows", 100), ("tuning.n_trials", 5)])
    given = {}
    for other in [source, *(name for name in SOURCES if name != source)]:
        given |= give(other, *next(others))
    found = Params.model_validate(given).tuning
    assert (found.batch, found.workers, found.max_rows, found.n_trials) == (1, 3, 100, 5)


def test_a_variable_wins_over_the_file(monkeypatch):
    monkeypatch.setenv("PARAMS_SPLIT__HISTORY", "31d")
    assert Params.load().split.history.days == 31


def test_null_as_a_variable_is_none(monkeypatch):
    monkeypatch.setenv("PARAMS_GATE__MINIMUM", "null")
    monkeypatch.setenv("PARAMS_RETRAIN__EVERY", "null")
    assert Params.load().retrain.every is None and Params.load().gate.minimum is None


RETIRED = [
    ("data.deadline", "data.timeout", "30s"),
    ("gate.max_unfaithful_share", "gate.max_onnx_mismatch", 0.25),
    ("promotion.patience", "promotion.review_timeout", "3d"),
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("old", "new", "value"), RETIRED)
def test_a_name_of_yesterday_still_means_what_it_meant(give, source, old, new, value):
    given = give(source, old, value)
    expected = value_of(Params.model_validate(nested(new, value)), new)
    assert value_of(Params.model_validate(given), new) == expected != value_of(Params.model_construct(), new)


def test_of_both_names_in_one_source_the_one_of_today_wins_and_between_sources_their_order_decides(files, monkeypatch):
    files["params.yaml"].write_text("data: {deadline: 10s, timeout: 20s}")
    assert Params.load().data.timeout.seconds == 20
    monkeypatch.setenv("PARAMS_DATA__DEADLINE", "30s")
    assert Params.load().data.timeout.seconds == 30
    assert Params.model_validate({"data": {"timeout": "40s"}}).data.timeout.seconds == 40


@pytest.mark.parametrize("source", SOURCES[:3])
@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("tuning.n_trails", "tuning.n_trials"),
        ("tunign.n_trials", "tuning"),
        ("clok", "clock"),
        ("split.cooldown", "retrain.cooldown"),
        ("n_trials", "tuning.n_trials"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_known_one(give, source, wrong, meant):
    give(source, wrong, 5)
    unknown = wrong.split(".")[0] if meant == "tuning" else wrong
    with pytest.raises(InputError) as refused:
        Params.load()
    assert str(refused.value).endswith(f": {unknown}: no such setting; did you mean {meant}?")


def test_a_setting_like_no_other_is_refused_without_a_guess(monkeypatch):
    monkeypatch.setenv("PARAMS_XYZZYX", "5")
    with pytest.raises(InputError, match="xyzzyx: no such setting$"):
        Params.load()


def test_every_setting_is_known_by_its_own_name():
    names = list(names_of(Params))
    assert {"seed", "tuning", "tuning.n_trials", "gate.max_onnx_mismatch"} <= set(names)
    assert len(names) == len(set(names)) and not {old for old, *_ in RETIRED} & set(names)


@pytest.mark.parametrize(
    ("given", "named"),
    [({"tuning": {"n_trails": 7}}, "n_trails"), ({"tuning": {"n_trials": 0}}, "n_trials"), ({"seeed": 1}, "seeed")],
)
def test_a_typo_or_a_violated_bound_is_refused_by_name(given, named):
    with pytest.raises(ValidationError, match=named):
        Params.model_validate(given)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("n_trials: 20", "n_trials: 0", "tuning.n_trials: Input should be greater than or equal to 1"),
        ("gate: 28d", "gate: -28d", "split.gate: "),
        (
            "cooldown: 14d",
            "cooldown: 14",
            "retrain.cooldown: Value error, 14 is no duration: give a number with its unit, such as 28d",
        ),
        ("gate: 28d", "gate: 999999999999d", "split.gate: "),
        ("sampler: tpe", "sampler: best", "tuning.sampler: Input should be 'tpe', 'random' or 'grid'"),
        ("clock: data", "clock: never", "clock: Input should be 'data' or 'wall'"),
        ("landing: landing", "landing: s3://key:SECRET@bucket", "a secret does not belong in an address"),
        ("seed: 0", "seed: [", "is not valid YAML"),
        ("seed: 0", "- seed", "is not valid YAML"),
    ],
)
def test_a_mistake_in_the_file_ends_with_one_sentence_that_names_file_and_setting(own_workspace, old, new, sentence):
    file = own_workspace / "params.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as refused:
        Params.load()
    said = str(refused.value)
    assert said.startswith(str(file)) and sentence in said
    assert "\n" not in said and "SECRET" not in said


@pytest.mark.parametrize(
    ("source", "text", "sentence"),
    [
        ("params.yaml", "just words", "holds no settings: write them as NAME: VALUE"),
        ("project", "[1, 2]", "holds no settings: write them as NAME: VALUE"),
        ("project", "seed: [", "is not valid YAML"),
        ("variable", "[", "PARAMS_SEED is not valid YAML"),
    ],
)
def test_a_source_that_holds_no_settings_is_named(files, monkeypatch, source, text, sentence):
    if source == "variable":
        monkeypatch.setenv("PARAMS_SEED", text)
    else:
        files[source].write_text(text)
    with pytest.raises(InputError) as refused:
        Params.load()
    assert sentence in str(refused.value) and "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(files.get(source, "PARAMS_SEED")))


@pytest.mark.parametrize("source", SOURCES[:3])
@pytest.mark.parametrize(("setting", "value"), [("seed", -1), ("tuning.n_trials", 0), ("gate.minimum", {"auc": 1})])
def test_a_mistake_is_told_by_the_file_or_variable_that_it_is_in(files, give, source, setting, value):
    for other in (name for name in SOURCES[:3] if name != source):
        give(other, "tuning.batch", 3)
    give(source, setting, value)
    with pytest.raises(InputError) as refused:
        Params.load("late-arrivals")
    assert str(refused.value).startswith(f"{files.get(source, 'a PARAMS_ variable')}: {setting}")


def test_an_empty_file_is_enough_and_a_short_one_changes_what_it_names(files):
    defaults = Params.model_construct(model="late-arrivals")
    assert Params.load() == defaults
    files["params.yaml"].write_text("tuning: {n_trials: 7}\n")
    short = Params.load()
    assert short.tuning == defaults.tuning.model_copy(update={"n_trials": 7})
    assert short == defaults.model_copy(update={"tuning": short.tuning})


def test_a_missing_file_is_told_with_the_variable_that_names_its_folder_and_a_run_has_the_defaults(files):
    files["params.yaml"].unlink()
    with pytest.raises(InputError, match=r"params.yaml is missing: .*is WORKSPACE right\?"):
        Params.load()
    assert Params.model_validate({}) == Params.model_construct(model="late-arrivals")


def test_where_project_holds_several_models_one_must_be_named(files, monkeypatch):
    other = files["project"].parent.with_name("early_arrivals")
    other.mkdir()
    (other / "target.py").write_text("")
    (other / "params.yaml").write_text("seed: 7")
    assert Params.load().model == ""
    with pytest.raises(InputError, match="project/ holds 2 models: name early-arrivals or late-arrivals, as model"):
        use_case.load_use_case("")
    assert Params.load("early-arrivals").seed == 7
    files["params.yaml"].write_text("model: early-arrivals")
    assert Params.load().seed == 7
    files["params.yaml"].write_text("model: churn")
    with pytest.raises(InputError, match="params.yaml: model is 'churn', but project/ holds early-arrivals, late-arri"):
        Params.load()
    files["params.yaml"].write_text("")
    monkeypatch.setenv("PARAMS_MODEL", "early-arrivals")
    assert (Params.load().model, Params.load().seed) == ("early-arrivals", 7)
    assert Params.model_validate({"model": "late-arrivals"}).seed == 0


def test_a_broken_file_lets_a_flow_be_imported_and_deployed_and_stops_its_run(own_workspace):
    (own_workspace / "params.yaml").write_text("tuning: {n_trails: 5}")
    prefilled = Prefilled.read()
    with pytest.raises(InputError, match=r"params.yaml.*did you mean tuning.n_trials\?"):
        promote.fn("1", "why", params=prefilled)


def test_a_run_that_was_given_no_settings_reads_the_files_when_it_starts(own_workspace, monkeypatch):
    prefilled, given = Prefilled.read(), Params.model_validate({"seed": 5})
    assert prefilled.model_dump() == Params.load().model_dump() and prefilled.model == "late-arrivals"
    (own_workspace / "params.yaml").write_text("clock: wall\ntuning: {n_trials: 3}")
    current = prefilled.current()
    assert type(current) is Params and (current.clock, current.tuning.n_trials) == ("wall", 3)
    assert (given.current().seed, given.current().clock) == (5, "data")


def test_a_run_of_another_model_takes_its_settings_and_what_was_changed_in_the_form(files, monkeypatch, capsys):
    other = files["project"].parent.with_name("early_arrivals")
    other.mkdir()
    (other / "target.py").write_text("")
    (other / "params.yaml").write_text("{seed: 7, gate: {minimum: {r2: 0.1}}, retrain: {of_windows: 3}}")
    files["params.yaml"].write_text("{model: late-arrivals, tuning: {n_trials: 9}, retrain: {of_windows: 5}}")
    shown = Params.load().model_dump(mode="json")
    monkeypatch.setattr("tasks.core.params.read_form", lambda: shown)
    files["params.yaml"].write_text("{model: late-arrivals, tuning: {n_trials: 11}, retrain: {of_windows: 5}}")
    form = Params.model_validate(shown | {"retrain": shown["retrain"] | {"cooldown": "3d"}})
    for current in (form.current("early-arrivals"), form.current(None, "model.early-arrivals.12")):
        assert (current.model, current.seed, current.tuning.n_trials) == ("early-arrivals", 7, 11)
        assert (current.gate.minimum, current.retrain.of_windows, current.retrain.cooldown.days) == ({"r2": 0.1}, 3, 3)
    assert set(capsys.readouterr().out.splitlines()) == {"given for this run: retrain.cooldown=3d"}
    more = Params.model_validate(shown | {"gate": {"minimum": {"skill": 0.2}}, "clock": "wall"})
    more = more.current("early-arrivals")
    assert (more.gate.minimum, more.clock) == ({"skill": 0.2}, "wall")
    with pytest.raises(InputError, match="project/ holds no model 'churn'"):
        form.current(None, "model.churn.1")
    for event, why in (
        ("model.x", "names no entry of a log"),
        ("model.late-arrivals.1", "is about late-arrivals, but"),
    ):
        with pytest.raises(InputError, match=f"event '{event}' {why}"):
            form.current("early-arrivals", event)
    with pytest.raises(InputError, match="given for this run: .*alarms 4 of of_windows 3 can never drift"):
        Params.model_validate(shown | {"retrain": shown["retrain"] | {"alarms": 4}}).current("early-arrivals")
    monkeypatch.setattr("tasks.core.params.read_form", dict)
    given = {"retrain": {"of_windows": 5}, "tuning": {"n_trials": 11}}  # as in params.yaml, and yet given
    assert Params.model_validate(given).current("early-arrivals").retrain.of_windows == 5


def test_what_is_one_for_all_models_is_refused_in_the_settings_of_one(files):
    files["project"].write_text("store: elsewhere")
    with pytest.raises(InputError, match=r"late_arrivals/params.yaml sets store, which is one for all models"):
        Params.load()


def test_the_form_requires_nothing_and_explains_every_setting():
    def check(model: type[Section]) -> None:
        for name, field in model.model_fields.items():
            assert field.description, name
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                check(field.annotation)

    assert "required" not in Params.model_json_schema()
    check(Params)


def test_an_empty_section_has_its_defaults(files):
    files["params.yaml"].write_text("gate:\nseed: 3\n")
    loaded = Params.load()
    assert (loaded.seed, loaded.gate.min_days) == (3, 14)


def test_more_alarms_than_windows_are_refused_since_they_would_switch_retraining_off():
    with pytest.raises(ValidationError, match="alarms 2 of of_windows 1 can never drift: raise of_windows"):
        Params.model_validate({"retrain": {"alarms": 2}})
    assert Params.model_validate({"retrain": {"alarms": 2, "of_windows": 3}}).retrain.alarms == 2


def test_the_form_shows_spans_as_people_write_them():
    sections = Params.model_json_schema()["$defs"]
    assert sections["Split"]["properties"]["gate"]["default"] == "28d"


def test_a_null_of_a_variable_takes_a_bound_of_the_file_out_and_a_run_adds_its_own(files, monkeypatch):
    files["project"].write_text("gate: {minimum: {roc_auc: 0.65}}")
    monkeypatch.setenv("PARAMS_GATE__MINIMUM", "null")
    assert Params.load().gate.minimum is None
    assert Params.model_validate({"gate": {"minimum": {"skill": 0.1}}}).gate.minimum == {"skill": 0.1}


def test_a_model_that_project_does_not_hold_and_a_settings_file_that_names_another_are_refused(files, monkeypatch):
    monkeypatch.setenv("PARAMS_MODEL", "churn")
    with pytest.raises(InputError, match="project/ holds no model 'churn': it holds late-arrivals"):
        Params.load()
    monkeypatch.delenv("PARAMS_MODEL")
    files["project"].write_text("model: churn")
    with pytest.raises(InputError, match="says model: churn, but the name is that of its folder"):
        Params.load()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"seed: 2013-02-30", b"[" * 3000])
def test_a_file_that_is_no_yaml_is_one_sentence_and_stops_no_import(files, content):
    files["params.yaml"].write_bytes(content)
    assert Prefilled.read().model == ""
    with pytest.raises(InputError, match=r"params.yaml is not valid YAML"):
        Params.load()
