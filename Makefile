.DEFAULT_GOAL := help
# An inherited PYTHONDONTWRITEBYTECODE makes every process compile everything again: imports take 18 s instead of 7.
unexport PYTHONDONTWRITEBYTECODE
# What another active environment may have set would make uv fill that one, or Python import from it.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH UV_SYSTEM_PYTHON UV_PROJECT_ENVIRONMENT UV_PYTHON

# Everything runs through uv: the one on your PATH, or a private copy under .uv/.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
# A home folder that is missing or read-only holds no cache.
export UV_CACHE_DIR := $(or $(UV_CACHE_DIR),$(shell mkdir -p "$(HOME)/.cache/uv" 2>/dev/null && test -w "$(HOME)/.cache/uv" && echo "$(HOME)/.cache/uv" || echo .uv/cache))

# A .venv that does not work any more is set up again.
ifneq ($(wildcard .venv/installed),)
  ifneq ($(shell .venv/bin/python -c "from importlib.util import find_spec as f; print(bool(f('prefect') and f('tasks')))" 2>/dev/null),True)
    $(shell rm -f .venv/installed .venv/bin/python)
  endif
endif

.PHONY: demo up alerts test test-slow test-chaos prove check screenshots lock help

ifneq ($(wildcard demo/__main__.py),)
demo: .venv  ## eight months of the loop on the sample data, in demo/workspace (2 to 3 minutes)
	.venv/bin/python -m demo

screenshots: .venv  ## the pictures of docs/images, taken with a real server and headless Chromium
	$(UV) run --no-project --python .venv/bin/python --with playwright --with pillow python -m demo.make_screenshots
endif

up: .venv  ## server, worker, deployments and UI; WORKSPACE=demo/workspace shows what the demo did
	@WORKSPACE="$(WORKSPACE)" .venv/bin/python -m stack.up

alerts: .venv  ## bring the server in line with automations.yaml, and remove deployments that prefect.yaml no longer holds
	@.venv/bin/python -m tasks.operations.sync

test: .venv  ## run the tests
	.venv/bin/pytest -n 2 --dist loadfile

test-slow: .venv  ## kills, races, planted leaks, copies of the repository (about 15 minutes)
	.venv/bin/pytest -n 2 --dist loadfile -m slow || [ $$? -eq 5 ]  # 5: your own project has none yet

test-chaos: .venv  ## 20 kills of worker, flow and server while the loop runs (about 5 minutes)
	.venv/bin/pytest -m chaos

prove: .venv  ## what proves a promise once and takes long: loads, kill sweeps, big sizes
	.venv/bin/pytest -m prove || [ $$? -eq 5 ]

check: .venv  ## formatting, lint, import rule and types
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/lint-imports --no-logo
	.venv/bin/ty check

lock: $(UV)  ## refresh requirements.txt from pyproject.toml
	$(UV) pip compile --quiet --universal --generate-hashes --group dev pyproject.toml -o requirements.txt

.venv: .venv/installed  ## create the environment from the lock

.venv/installed: pyproject.toml requirements.txt | $(UV)
	@echo "Setting up .venv from requirements.txt ..."
	@rm -f $@
	@.venv/bin/python -c pass 2> /dev/null || $(UV) venv --quiet --clear .venv
	@$(UV) pip sync --quiet --python .venv/bin/python --require-hashes requirements.txt
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

.uv/bin/uv:
	@python3 -m pip --version > /dev/null || { echo "error: python3 has no pip: install pip or uv, then try again"; exit 1; }
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .uv 'uv>=0.13,<0.14'

help:  ## list the targets
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12 | grep $(if $(wildcard demo/__main__.py),.,-vE '^(demo|screenshots) ')
