# Needs Python 3.11, 3.12 or 3.13 with venv, nothing else. `make` or `make help` lists the targets.
# the Python of .venv, or the first command that is one of these; make PYTHON=... names another
ifndef PYTHON
PYTHON := $(or $(shell for name in "$$(sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null)" \
	python3 python3.13 python3.12 python3.11 python; do \
	PYTHONPATH=tools "$$name" -c 'import sys; from set_up.supported import check_python; check_python(sys.version_info)' \
	2>/dev/null && echo "$$name" && break; done),python3)
endif
VENV := .venv/bin

# albumentations asks a server for its newest version at import; nothing here may wait for a network
export NO_ALBUMENTATIONS_UPDATE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-device docs lint format lock doctor clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 13

setup:  ## the environment in .venv, without a compiler; OPS=compiled compiles mmcv, OPS=torch goes back
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON): not found; install Python 3.11, 3.12 or 3.13 or name it:" \
		"make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) tools/setup.py $(if $(OPS),--ops '$(OPS)')

demo: setup  ## set up, then unknown eggs named and counted, a 4x smaller detector for an FPGA, relations
	@$(VENV)/python tools/demo.py

test: setup  ## set up, then run every test, a process a core
	OMP_NUM_THREADS=1 $(VENV)/python -m pytest --numprocesses auto --dist loadfile

test-device: setup  ## every config on a pretend accelerator; DEVICE=cuda: on a real one (about 30 minutes)
	OMP_NUM_THREADS=1 $(VENV)/python -m pytest --numprocesses 2 --dist loadfile \
		tests/device --all-configs $(if $(DEVICE),--device '$(DEVICE)')

docs: setup  ## set up, then the pages of docs/ as a site in site/ (110 MB more in .venv)
	@$(VENV)/python -m pip install --quiet --no-compile --no-deps -r requirements/docs.txt
	NO_MKDOCS_2_WARNING=1 $(VENV)/python -m mkdocs build --strict --quiet
	@echo site/index.html

lint: setup  ## ruff: rules and format
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .

format: setup  ## mend what `make lint` finds, where ruff can
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

lock: setup  ## ask the package index whether all of requirements/ is there for every Python
	@$(VENV)/python tools/check_lock.py

doctor:  ## check the installation
	@test -x $(VENV)/python || { echo 'error: .venv: not there; run make setup' >&2; exit 2; }
	@$(VENV)/python tools/doctor.py

clean:  ## remove the environment and caches (not data, not work_dirs)
	rm -rf .venv site .pytest_cache .ruff_cache .hypothesis detplug.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
