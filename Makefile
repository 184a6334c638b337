# Every target sets up what it needs; a fresh machine needs Python 3.11 or newer and make, nothing else.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
T ?= tests
# Cores to use. Tests run in one process more, as those of whole services wait much of their time
# (tests/schedule.py); ARGS=-n0 runs one after the other, as a debugger wants it.
JOBS ?= 2
LOCK_FLAGS := --require-hashes --no-deps
UV_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-build-isolation
PIP_INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation
# uv is several times faster; plain pip installs the same lock where uv cannot reach the index.
install = $(UV_INSTALL) $(1) 2>$(VENV)/uv.log || { echo "uv could not install ($(VENV)/uv.log); using pip"; $(PIP_INSTALL) $(1); }

# When `make demo` began, so that it can tell its installation apart from its run.
ifneq (,$(filter demo,$(MAKECMDGOALS)))
BEGAN := $(shell $(PYTHON) -c 'import time; print(time.time())')
endif

.DEFAULT_GOAL := help
.PHONY: help setup setup-test bytecode demo up check format test bench sim fuzz chaos soak semantics conformance lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.run-stamp bytecode ## Install what it takes to run (no test packages)

setup-test: $(VENV)/.test-stamp bytecode ## Install what it takes to test

# A start of a broker costs 0.5 s of CPU more without it, also where PYTHONDONTWRITEBYTECODE is set.
bytecode: $(VENV)/.venv-stamp
	@$(BIN)/python -m compileall -q control_plane data_plane migrations

$(VENV)/.venv-stamp: tests/toolchains/build.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ottla needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@echo "making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check $(LOCK_FLAGS) -r tests/toolchains/build.lock
	@touch $@

$(VENV)/.run-stamp: $(VENV)/.venv-stamp requirements.lock pyproject.toml
	@echo "installing requirements.lock ..."
	@$(call install,$(LOCK_FLAGS) -r requirements.lock)
	@$(call install,--no-deps --editable .)
	@$(BIN)/python -m control_plane.dashboard.vendor
	@touch $@

$(VENV)/.test-stamp: $(VENV)/.run-stamp tests/requirements.lock tests/toolchains/debian.txt
	@echo "installing tests/requirements.lock ..."
	@$(call install,$(LOCK_FLAGS) -r tests/requirements.lock)
	@sh tests/toolchains/debian.sh
	@touch $@

demo: setup ## Start everything, provision an add-on, stream 336,776 real records through it, check them
	@$(BIN)/ottla demo --began-at $(BEGAN) $(ARGS)

up: setup ## Run the whole service in the foreground until Ctrl-C
	@$(BIN)/ottla up $(ARGS)

check: setup-test ## Format, lint, types, layering: exactly what CI runs first
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layering.py

format: setup-test ## Rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup-test ## Run the tests (T=path for a part of them)
	$(BIN)/python -m pytest -q -n $$(($(JOBS) + 1)) --dist loadfile $(T) $(ARGS)

bench: setup-test ## Measure the broker: every figure beside its target (ARGS="throughput --n 3")
	$(BIN)/python -m tests.bench $(ARGS)

sim: setup-test ## Worlds of simulated faults: SEED=n for one, SEEDS=500 FROM=first for many, WORLD=quorum; BANK=1: find planted bugs
	$(BIN)/python -m tests.simulation $(if $(BANK),bank,$(or $(WORLD),cluster)) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),$(if $(BANK),2000,100)) --from $(or $(FROM),first) --jobs $(or $(JOBS),2)) $(ARGS)

fuzz: setup-test ## A million hostile frames, and hostile batches and files (ARGS="--frames 50000")
	$(BIN)/python -m tests.fuzz $(ARGS)

semantics: setup-test ## Run the tests of the 98 semantics and print what each shows (ARGS="13 20 --json")
	@$(BIN)/python -m tests.semantics $(ARGS)

chaos: setup-test ## Real brokers and clients under fault, judged by the checker (ARGS="kills --kills 20")
	$(BIN)/python -m tests.chaos $(ARGS)

soak: setup-test ## A day of load with a kill an hour: writes, memory, open files (ARGS="--minutes 60 --faults 0")
	$(BIN)/python -m tests.chaos.soak $(ARGS)

conformance: $(VENV)/.conformance-stamp ## Run the same scenarios through real foreign clients (ARGS="kcat java" for some)
	$(BIN)/python -m tests.conformance $(ARGS)

$(VENV)/.conformance-stamp: $(VENV)/.test-stamp tests/toolchains/clients.lock
	@echo "installing tests/toolchains/clients.lock ..."
	@$(call install,$(LOCK_FLAGS) -r tests/toolchains/clients.lock)
	@touch $@

lock: setup-test ## Resolve the dependencies anew into the hashed lock files
	@for out in requirements.lock:--extra=demo tests/requirements.lock:--extra=demo\ --extra=test; do \
	  $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --quiet \
	    --upgrade $${out#*:} pyproject.toml -o $${out%%:*} --custom-compile-command "make lock"; done
	@for set in build clients go/go; do \
	  $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --quiet \
	    --upgrade tests/toolchains/$$set.in -o tests/toolchains/$$set.lock --custom-compile-command "make lock"; done

clean: ## Remove the environment and caches (data directories are yours to remove)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
