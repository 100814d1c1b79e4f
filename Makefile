# Needs Python 3.11 and a C++ compiler, nothing else. `make` or `make help` lists the targets.
# the first command that is Python 3.11; make PYTHON=... names another
ifndef PYTHON
PYTHON := $(or $(shell for name in python3.11 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$name && break; done),python3.11)
endif
VENV := .venv/bin

# albumentations asks a server for its newest version at import; nothing here may wait for a network
export NO_ALBUMENTATIONS_UPDATE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format doctor clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

setup:  ## the environment in .venv (the first time: mmcv is compiled; afterwards: nothing to do)
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON): not found; install Python 3.11 or name it:" \
		"make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) tools/setup.py

demo: setup  ## set up, then train, evaluate, predict, export and report on the sample data
	@$(VENV)/python tools/demo.py

test: setup  ## set up, then run every test, a process a core
	OMP_NUM_THREADS=1 $(VENV)/python -m pytest --numprocesses auto --dist loadfile

lint: setup  ## ruff: rules and format
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .

format: setup  ## mend what `make lint` finds, where ruff can
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

doctor:  ## check the installation
	@test -x $(VENV)/python || { echo 'error: .venv: not there; run make setup' >&2; exit 2; }
	@$(VENV)/python tools/doctor.py

clean:  ## remove the environment and caches (not the compiled mmcv, not data, not work_dirs)
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis detplug.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
