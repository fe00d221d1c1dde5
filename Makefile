.DEFAULT_GOAL := help
# An inherited PYTHONDONTWRITEBYTECODE makes every process compile everything again: imports take 18 s instead of 7.
unexport PYTHONDONTWRITEBYTECODE

# Everything runs through uv: the one on your PATH, or a private copy under .uv/.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

.PHONY: demo up alerts test test-slow test-chaos check screenshots lock help

demo: .venv  ## eight months of the loop on the sample data, in store/demo (2 to 3 minutes)
	.venv/bin/python -m demo

up: .venv  ## server, worker, deployments and UI; WORKSPACE=store/demo shows what the demo did
	@WORKSPACE="$(WORKSPACE)" .venv/bin/python -m stack.up

alerts: .venv  ## bring the server's automations in line with automations.yaml
	@.venv/bin/python -m tasks.operations.alerts

test: .venv  ## run the tests
	.venv/bin/pytest -n 2 --dist loadfile

test-slow: .venv  ## kills, races, planted leaks, copies of the repository (about 15 minutes)
	.venv/bin/pytest -n 2 --dist loadfile -m slow || [ $$? -eq 5 ]  # 5: your own project has none yet

test-chaos: .venv  ## 20 kills of worker, flow and server while the loop runs (about 5 minutes)
	.venv/bin/pytest -m chaos

check: .venv  ## formatting, lint (import direction included) and types
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/ty check

screenshots: .venv  ## the pictures of docs/images, taken with a real server and headless Chromium
	$(UV) run --no-project --python .venv/bin/python --with playwright --with pillow python demo/make_screenshots.py

lock: $(UV)  ## refresh requirements.txt from pyproject.toml
	$(UV) pip compile --quiet --universal --generate-hashes --group dev pyproject.toml -o requirements.txt

.venv: .venv/installed  ## create the environment from the lock

.venv/installed: pyproject.toml requirements.txt | $(UV)
	@echo "Setting up .venv from requirements.txt ..."
	@$(UV) venv --quiet --allow-existing .venv
	@$(UV) pip sync --quiet --require-hashes requirements.txt
	@$(UV) pip install --quiet --no-deps --editable .
	@touch $@

.uv/bin/uv:
	@python3 -m pip --version > /dev/null || { echo "error: python3 has no pip: install pip or uv, then try again"; exit 1; }
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .uv 'uv>=0.13,<0.14'

help:  ## list the targets
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
