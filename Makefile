# `make demo` and `make test` need Python 3.11 or newer, and nothing else. PYTHON=python3.13
# chooses another interpreter.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint format bench lab docs picture lock clean python

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-8s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.runtime ## run the main job on the sample catalogue against the simulator
	$(BIN)/ventil demo

test: $(VENV)/.dev ## run the whole test suite
	$(BIN)/python -m pytest

lint: $(VENV)/.dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## measure; see bench/
	$(BIN)/python -m bench

lab: $(VENV)/.dev ## measure the governor against simulated providers
	$(BIN)/python -m ventil.sim.lab --docs docs/lab --jobs 2

docs: $(VENV)/.dev ## write the generated pages of docs/reference
	$(BIN)/python scripts/settings_reference.py
	$(BIN)/python scripts/cli_reference.py
	$(BIN)/python scripts/changelog_schema.py
	$(BIN)/python scripts/own_reference.py

picture: $(VENV)/.dev ## draw docs/demo.svg anew
	$(BIN)/python scripts/demo_picture.py

# Pins with hashes, for every platform and Python at once. Needs uv.
lock: ## resolve the requirements anew
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' \
		pyproject.toml --group build --output-file requirements.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' \
		--group dev --constraint requirements.txt --output-file requirements-dev.txt

clean: ## remove what make made; the state in .ventil stays
	rm -rf $(VENV) ventil-demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is younger than the requirements it was made from. Nothing is resolved, built
# in isolation or taken without its hash.
$(VENV)/.runtime: requirements.txt pyproject.toml
	@$(MAKE) --no-print-directory python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "error: no '$(PYTHON)' found; Ventil needs Python 3.11 or newer" >&2; \
		echo "hint: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: '$(PYTHON)' is $$($(PYTHON) --version 2>&1); Ventil needs 3.11 or newer" >&2; \
		echo "hint: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: '$(PYTHON)' cannot make virtual environments" >&2; \
		echo "hint: on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
