"""What loading a module brings along: nothing heavy into the pure rooms, no settings, no end of the process."""

import json
import subprocess
import sys
from functools import cache

import pytest

from stack.local_stack import ROOT, clean_environment

WALK = """
import importlib, pkgutil, sys
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from tasks.core import params_files
params_files.read_settings = lambda file: opened.append(str(file)) or {}
package = importlib.import_module(sys.argv[1])
names = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
for name in names:
    importlib.import_module(name)
"""


def walk(package: str, tell: str, tmp_path) -> str:
    """What a process prints that has imported every module of a package, in an empty workspace, which it leaves so."""
    workspace = tmp_path / "work späce"
    workspace.mkdir()
    environment = clean_environment(workspace, PREFECT_HOME=str(tmp_path / "home"))
    command = [sys.executable, "-c", WALK + tell, package]
    done = subprocess.run(command, env=environment, cwd=workspace, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(workspace.iterdir()) == []
    return done.stdout.strip()


@pytest.mark.parametrize("package", ["tasks.core", "tasks.inference", "project"])
def test_core_inference_and_project_load_no_prefect_mlflow_dvc_or_scikit_learn(package, tmp_path):
    tell = "print(len(names) > 1, sorted({'prefect', 'mlflow', 'dvc', 'sklearn'} & sys.modules.keys()))"
    assert walk(package, tell, tmp_path) == "True []"


FACTS = """
import json, pathlib, re
threads = [thread.read_text().strip() for thread in pathlib.Path('/proc/self/task').glob('*/comm')]
facts = {
    "names": len(names),
    "settings": [file for file in opened if file.endswith("params.yaml")],
    "threads": [name for name in threads if re.fullmatch("polars-[0-9]+", name)],
}
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """What the process of a package tells that has imported every module of it, without settings; asked once."""
    return cache(lambda package: json.loads(walk(package, FACTS, tmp_path_factory.mktemp("imported"))))


def test_every_module_of_tasks_can_be_imported_without_settings_and_asks_for_none(imported):
    assert imported("tasks")["names"] > 30 and imported("tasks")["settings"] == []


def test_every_flow_can_be_imported_without_settings(imported):
    assert imported("flows")["names"] > 5


@pytest.mark.parametrize("package", ["flows", "tasks", "project"])
def test_no_module_lets_polars_work_when_imported_whose_threads_a_forked_process_would_wait_for(package, imported):
    assert imported(package)["threads"] == []


def test_no_flow_but_train_loads_what_trains_or_draws(tmp_path):
    flows = [f"flows.{file.stem}" for file in (ROOT / "flows").glob("[a-z]*.py") if file.stem != "train"]
    heavy = "{'sklearn', 'scipy', 'pandas', 'mlflow', 'optuna', 'evidently', 'matplotlib'}"
    code = f"import sys, {', '.join(flows)}\nprint(len(sys.modules) > 500, sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("True []", "")


def test_the_endpoint_loads_nothing_that_trains(tmp_path):
    trains = "{'prefect', 'mlflow', 'dvc', 'sklearn', 'deltalake', 'pandas', 'optuna', 'evidently'}"
    assert walk("serving", f"print(len(names) > 5, sorted({trains} & sys.modules.keys()))", tmp_path) == "True []"
