# Every command below makes its own environment in .venv on first use; a second call installs nothing.
# Choose another interpreter with: make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2

.DEFAULT_GOAL := help
.PHONY: help demo test slow check clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-demo  ## oversample the frauds of a real card table (examples/fraud_quickstart.py)
	$(RUN) examples/fraud_quickstart.py

test: $(VENV)/.installed-test  ## run the tests that take seconds
	$(PYTEST)

slow: $(VENV)/.installed-test  ## run the tests that take minutes
	$(PYTEST) -m "slow and not gpu"

check: $(VENV)/.installed-dev  ## format, lint, types, then the tests: what a change must pass
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy tabdiff
	$(PYTEST)

clean:  ## remove the environment, builds and caches
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# one stamp per extra of pyproject.toml; it is older than its two sources only when they have changed
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(RUN)
	@echo "Installing tabdiff[$*] into $(VENV); the first time this takes a minute or two ..."
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[$*]' --constraint constraints.txt
	@touch $@

$(RUN):
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
	  f"tabdiff needs Python 3.11 or newer, and $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV)
