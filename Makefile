# Needs a Linux machine with Python 3.11 or newer and its venv module; everything else is installed into .venv/ and .cache/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The tested version first; PYTHON=... overrides.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$python; break; }; done)
STORE ?= lmdb
# Two processes, because many tests wait for something; each has databases and services of its own.
PYTEST_ARGS ?= -n 2 --dist worksteal

BIN := .venv/bin
READY := .venv/.ready

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(READY) ## install the tested set of packages into .venv/ (once)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none is on PATH; install it, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "setup: installing into .venv/ with $(PYTHON) (a few minutes the first time)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "$(PYTHON) has no working venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@# Python compiles what is imported by itself: all of it at once takes longer than everything else here.
	@$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[test,lint]'
	@touch $@

.PHONY: demo
demo: $(READY) ## train, stream checkpoints, cut the connection, resume, restore (STORE=lmdb or mongodb)
	@$(BIN)/python -m examples.demo --store $(STORE)

.PHONY: test
test: $(READY) ## run every test (PYTEST_ARGS="tests/unit -k name" for some)
	@echo "test: unit, storage conformance, service, client and end-to-end tests, on real components"
	@$(BIN)/pytest $(PYTEST_ARGS)

.PHONY: coverage
coverage: $(READY) ## run every test and show which lines none of them reached
	@$(BIN)/coverage run -m pytest
	@$(BIN)/coverage report --skip-covered --show-missing

.PHONY: lint
lint: $(READY) ## check style and formatting of the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(READY) ## check types (mypy, strict)
	@$(BIN)/mypy

.PHONY: protos
protos: $(READY) ## check that the contract is well-formed (buf) and the stubs are fresh
	@PYTHON=$(BIN)/python protos/lint.sh
	@$(BIN)/python protos/generate.py --check

.PHONY: stubs
stubs: $(READY) ## generate client/flowcept/v1 from protos/
	@$(BIN)/python protos/generate.py

.PHONY: lock
lock: $(READY) ## lock the image's packages by hash, after a change of constraints.txt
	@$(BIN)/python service/image/lock.py

.PHONY: values
values: $(READY) ## write the chart's table of values into its README
	@$(BIN)/python helm/values_table.py

.PHONY: bench
bench: $(READY) ## measure speed and memory beside references timed in the same run
	@$(BIN)/python -m bench.blobs
	@$(BIN)/python -m bench.gridfs
	@$(BIN)/python -m bench.provenance
	@$(BIN)/python -m bench.capture

.PHONY: soak
soak: $(READY) ## ten minutes of mixed load on a service that is killed every half minute; then nothing is lost
	@$(BIN)/python -m tests.soak

.PHONY: check
check: lint types protos test ## everything that must pass before a change is merged
