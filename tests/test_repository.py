"""Promises of the repository itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stack.local_stack import ROOT

README = (ROOT / "README.md").read_text()
SAMPLE = re.compile(r"\b(flights|weather|planes|tailnum|carrier|JFK|arr_delay|dep_delay|2013)\b")
ROOMS, FILE_LINES, FUNCTION_LINES = 9, 250, 45


def sources(*folders: str) -> list[Path]:
    """The Python files of some folders; demo/ may have been removed."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def read_yaml(name: str) -> list[dict]:
    """The list that prefect.yaml, with that of project/, or automations.yaml is about."""
    files = [ROOT / f"{name}.yaml", *([ROOT / "project" / "deployments.yaml"] if name == "prefect" else [])]
    key = "deployments" if name == "prefect" else name
    return [spec for file in files if file.is_file() for spec in yaml.safe_load(file.read_text())[key]]


def test_pure_modules_load_nothing_of_prefect_mlflow_or_dvc():
    modules = ["project.contract", "tasks.evaluation.gate"]
    modules += [f"project.{path.parent.name}.features" for path in (ROOT / "project").glob("*/features.py")]
    code = f"import sys, {', '.join(modules)}; sys.exit(str({{'prefect', 'mlflow', 'dvc'}} & sys.modules.keys() or ''))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_loading_a_model_needs_no_scikit_learn():
    code = "import sys, tasks.inference.bundle; sys.exit('sklearn' if 'sklearn' in sys.modules else 0)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_only_project_and_demo_name_the_sample():
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sources("flows", "tasks", "stack", "serving")
        for line in path.read_text().splitlines()
        if SAMPLE.search(line) and "e.g." not in line
    }
    assert not found


def test_every_module_of_tasks_is_in_a_room_and_what_a_room_is_for_is_its_first_and_only_line():
    rooms = [path for path in (ROOT / "tasks").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert [path.name for path in (ROOT / "tasks").glob("*.py")] == ["__init__.py"]
    assert 0 < len(rooms) <= ROOMS
    for room in rooms:
        assert re.fullmatch(r'""".+"""\n', (room / "__init__.py").read_text()), room


def test_no_file_and_no_function_is_too_long_to_be_read_at_once():
    for path in sources("flows", "tasks", "project", "stack", "serving", "demo"):
        text = path.read_text()
        assert len(text.splitlines()) <= FILE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < FUNCTION_LINES, f"{path}: {node.name}"


def test_every_make_target_and_command_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([\w-]+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for module in set(re.findall(r"python -m (flows\.\w+)", README)):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_every_file_the_readme_names_exists():
    for file in set(re.findall(r"`((?:flows|tasks|docs|scripts|tests)/[\w/-]+\.\w+)`", README)):
        assert (ROOT / file).is_file(), file


def test_the_rule_for_runs_without_a_pulse_watches_every_flow():
    text = "\n".join(path.read_text() for path in sources("flows"))
    flows = re.findall(r"^@flow\b.*\ndef (\w+)", text, re.MULTILINE)
    rule = next(automation for automation in read_yaml("automations") if "pulse" in automation["name"])
    assert sorted(rule["trigger"]["match_related"]["prefect.resource.name"]) == sorted(flows)


@pytest.mark.parametrize("file", ["automations", "prefect"])
def test_every_automation_and_every_deployment_has_a_name_of_its_own_and_says_what_it_does(file):
    found = read_yaml(file)
    assert len({spec["name"] for spec in found}) == len(found)
    assert all(spec["description"].strip() for spec in found)


def test_deployments_are_named_flow_occasion():
    for deployment in read_yaml("prefect"):
        module, flow = deployment["entrypoint"].split(":")
        assert module == f"flows.{flow}" and re.fullmatch(rf"{flow}-[a-z][a-z-]*", deployment["name"]), deployment


LOCKS = ["requirements.txt", "serving/requirements.txt"]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_holds_no_address(lock):
    assert "://" not in (ROOT / lock).read_text()


def test_the_endpoint_is_locked_to_the_versions_of_all_else_and_to_none_of_what_trains():
    whole, part = (set(re.findall(r"^[\w.-]+==[\w.]+", (ROOT / lock).read_text(), re.MULTILINE)) for lock in LOCKS)
    assert part <= whole
    names = {pin.partition("==")[0] for pin in part}
    assert "polars" in names and not names & {"prefect", "mlflow-skinny", "dvc", "scikit-learn", "deltalake", "pandas"}


def test_the_image_of_the_endpoint_holds_the_rooms_that_it_stands_on():
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {"serving", "project", "tasks/core", "tasks/features", "tasks/inference"} <= set(copied)
    assert all((ROOT / path).exists() for path in copied)


def test_compose_starts_all_parts_and_binds_none_to_more_than_this_machine():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services.keys() == {"database", "objects", "bucket", "server", "deploy", "worker", "endpoint"}
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
