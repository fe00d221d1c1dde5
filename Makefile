.DEFAULT_GOAL := help
# An inherited PYTHONDONTWRITEBYTECODE makes every process compile everything again: imports take 18 s instead of 7.
unexport PYTHONDONTWRITEBYTECODE
# An active environment of another project stays as it is, and nothing of it is imported here.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH PIP_PREFIX
unexport UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT UV_PROJECT_ENVIRONMENT UV_WORKING_DIR UV_REQUIRE_HASHES
# Only a Python that is already here is used.
export UV_PYTHON_DOWNLOADS ?= never

# Everything runs through uv: the one on your PATH if it is new enough, or a private copy under .uv/.
UV := $(firstword $(shell for uv in uv .uv/bin/uv; do case "$$($$uv --version 2> /dev/null)" in \
  ("uv 0.1"[3-9].* | "uv 0."[2-9][0-9].* | "uv "[1-9]*) echo $$uv; break; esac; done) no-uv)
ifeq ($(UV),no-uv)
  UV := .uv/bin/uv
  NO_UV := no-uv
endif
# Without a home folder that can be written, uv keeps its cache here.
ifneq ($(shell exec 2> /dev/null; d="$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$${HOME:?}/.cache}/uv}" && \
  mkdir -p "$$d" && test -w "$$d" && echo yes),yes)
  export UV_CACHE_DIR := $(CURDIR)/.uv/cache
  export PIP_NO_CACHE_DIR := 1
endif

# An environment that was emptied, copied from elsewhere or lost its Python is set up again.
INTACT := $(shell test -f .venv/installed && .venv/bin/python -Ic "from importlib.util import find_spec as f; \
  from os.path import samefile; \
  print('yes' if f('prefect') and samefile(f('tasks').origin, 'tasks/__init__.py') else '')" 2> /dev/null)

SUPPORTED = $(shell sed -n 's/^requires-python = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: up alerts test test-slow test-chaos prove check lock help no-uv empty-venv

ifneq ($(wildcard demo/__main__.py),)
.PHONY: demo screenshots

demo: .venv  ## eight months of the loop on the sample data, in demo/workspace (about 3 minutes)
	@.venv/bin/ml demo

screenshots: .venv  ## the pictures of docs/images, taken with a real server and headless Chromium
	$(UV) run --no-project --python .venv/bin/python --with playwright --with pillow python demo/make_screenshots.py
else
DELETED := demo|screenshots
endif

up: .venv  ## server, worker, deployments and UI; WORKSPACE=demo/workspace shows what the demo did
	@.venv/bin/ml up

alerts: .venv  ## bring the server in line with automations.yaml, and remove deployments that no file holds any more
	@.venv/bin/ml alerts

test: .venv  ## run the tests
	.venv/bin/pytest -n 2 --dist loadfile

test-slow: .venv  ## kills, races, planted leaks, copies of the repository (about 30 minutes)
	.venv/bin/pytest -n 2 --dist loadfile -m 'slow and not chaos and not prove' || [ $$? -eq 5 ]  # 5: your own project has none yet

test-chaos: .venv  ## 20 kills of worker, flow and server while the loop runs (about 5 minutes)
	.venv/bin/pytest -m chaos

prove: .venv  ## loads, long kill sweeps and big sizes, by hand before a release
	.venv/bin/pytest -m prove || [ $$? -eq 5 ]

check: .venv  ## formatting, lint, types and the import rule of the rooms
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/ty check
	.venv/bin/lint-imports --no-logo

lock: | $(filter .uv/bin/uv,$(UV))  ## refresh requirements.txt, or that of project/ where there is a project/requirements.in
	if [ -f project/requirements.in ]; then $(UV) pip compile --quiet --universal --generate-hashes -c requirements.txt \
	  project/requirements.in -o project/requirements.txt; \
	else $(UV) pip compile --quiet --universal --generate-hashes --group dev pyproject.toml -o requirements.txt; fi
	$(UV) pip compile --quiet --universal --generate-hashes -c requirements.txt serving/requirements.in -o serving/requirements.txt

.venv: .venv/installed  ## create the environment from the lock

LOCKS := requirements.txt $(wildcard project/requirements.txt)

.venv/installed: pyproject.toml $(LOCKS) $(if $(INTACT),,empty-venv) | $(filter .uv/bin/uv,$(UV))
	@echo "Setting up .venv from $(strip $(LOCKS)) ..."
	@rm -f $@
	@$(UV) pip sync --quiet --python .venv/bin/python --require-hashes $(LOCKS)
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

empty-venv: | $(filter .uv/bin/uv,$(UV))
	@python=$$($(UV) python find --system 2> /dev/null) || \
	  { echo "error: no Python $(SUPPORTED) was found: install one, python3.13 for instance, then try again" >&2; exit 1; }; \
	  rm -rf .venv && $(UV) venv --quiet --python "$$python" .venv

.uv/bin/uv: $(NO_UV)
	@base=$$(python3 -c 'import sys; print(sys._base_executable)' 2> /dev/null) && "$$base" -m pip --version > /dev/null 2>&1 || \
	  { echo "error: neither uv nor a python3 with pip was found: install uv 0.13," \
	  "or python3 $(SUPPORTED) with pip (python3-pip), then try again" >&2; exit 1; }; \
	  PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$$base" -m pip install --quiet --disable-pip-version-check \
	  --root-user-action ignore --upgrade --target .uv 'uv>=0.13,<0.14'

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / && !/^($(or $(DELETED),none)):/ { printf "%-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)
