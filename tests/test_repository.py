"""Promises of the repository itself."""

import re
import subprocess
import sys

import yaml

from stack.local_stack import ROOT

README = (ROOT / "README.md").read_text()


def test_pure_modules_load_nothing_of_prefect_mlflow_or_dvc():
    modules = "project.contract, project.late_arrivals.features, tasks.evaluation.gate"
    code = f"import sys, {modules}; sys.exit(str({{'prefect', 'mlflow', 'dvc'}} & sys.modules.keys() or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_loading_a_model_needs_no_scikit_learn():
    code = "import sys, tasks.registry.bundle; sys.exit('sklearn' if 'sklearn' in sys.modules else 0)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_only_the_swap_files_the_demo_and_the_data_script_name_the_sample():
    sample = re.compile(r"\b(flights|weather|planes|arr_delay|dep_delay|tailnum|carrier|2013)\b")
    mine: set[str] = set()
    others = [path for folder in ("flows", "tasks") for path in (ROOT / folder).rglob("*.py") if path.name not in mine]
    found = {
        f"{path.name}: {line.strip()}"
        for path in others
        for line in path.read_text().splitlines()
        if sample.search(line) and "e.g." not in line
    }
    assert not found


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
    text = "\n".join(path.read_text() for path in (ROOT / "flows").glob("*.py"))
    flows = re.findall(r"^@flow\b.*\ndef (\w+)", text, re.MULTILINE)
    automations = yaml.safe_load((ROOT / "automations.yaml").read_text())["automations"]
    rule = next(automation for automation in automations if "pulse" in automation["name"])
    assert sorted(rule["trigger"]["match_related"]["prefect.resource.name"]) == sorted(flows)


def test_the_lock_holds_no_address():
    assert "://" not in (ROOT / "requirements.txt").read_text()
