# `make` prints the targets. Two matter first: `make up` and `make test`.
# A machine needs make and Python 3.11 or later (or a Docker engine); the rest is fetched, pinned by hash.

export PATH := $(if $(PATH),$(PATH),/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
export HOME := $(if $(HOME),$(HOME),$(CURDIR)/.state/home)
export PYTHONDONTWRITEBYTECODE ?=

MODE    ?= auto
RATE    ?= 10
MINUTES ?= 10
SEED    ?= 1
CASES   ?= 2000
RULES   ?= alerts/rules
TESTS   ?= alerts/rules build/demo-tests

# `make up` reports how long it took, preparing the environment included.
STARTED := $(shell /bin/sh -c 'date +%s.%N')

VENV := .venv
PY   := $(VENV)/bin/python
# The first interpreter that is new enough; a shim without that version selected fails the check.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help up down status doctor logs load unit test check nightly test-alerts mutate bench chaos fuzz generate lock

help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "  MODE=docker|local forces the mode of up, down, status and logs (default: Docker if an engine answers)."

up: $(VENV)/installed-local ## Start the whole system and print where to look. MODE=auto|docker|local
	@$(PY) -m local up --mode $(MODE) --started-at $(STARTED)

down: $(VENV)/installed-local ## Stop it; data stays.
	@$(PY) -m local down --mode $(MODE)

status: $(VENV)/installed-local ## Show every process, its state, address and memory. JSON=1 prints JSON.
	@$(PY) -m local status --mode $(MODE) $(if $(JSON),--json)

doctor: $(VENV)/installed-local ## Say what to do when it does not start: ports, memory, disk, engine, proxy, programs, permissions.
	@$(PY) -m local doctor --mode $(MODE)

logs: $(VENV)/installed-local ## Follow the logs. NAME=orders shows one process.
	@$(PY) -m local logs --mode $(MODE) --follow $(NAME)

load: $(VENV)/installed-local ## Change the customers' rate, in requests per second. RATE=10
	@$(PY) -m local load --mode $(MODE) $(RATE)

unit: $(VENV)/installed-dev ## Run the unit tests: no server, under 30 seconds.
	@$(PY) -m pytest -q -m "not slow" tests/unit

test: $(VENV)/installed-dev $(PROMTOOLS) ## Run the tests: unit, integration, alert rules, contracts, one end-to-end run.
	@$(PY) -m pytest -m "not browser and not slow and not nightly"
	@$(PY) -m alerts test

check: $(VENV)/installed-dev $(PROMTOOLS) ## Run what must pass before a commit: lint, types, fresh generated files, mutation, browser.
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/biome ci --log-level=warn
	@$(PY) -m alerts --check
	@$(PY) -m dashboards --check
	@$(PY) -m pytest -m "not e2e and not browser and not slow and not nightly" tests/unit tests/contract tests/integration/alerts tests/integration/dashboards tests/integration/stack
	@$(PY) -m pytest -m "(browser or slow) and not nightly"
	@$(PY) -m alerts test
	@$(PY) -m alerts demo-tests build/demo-tests
	@$(PY) -m alerts.mutation --rules alerts/rules --tests alerts/rules build/demo-tests --promtool $(firstword $(PROMTOOLS)) --sample 150 --seed 1 --json build/mutation.json

# Two promtools: the oldest that is supported and the newest that Debian has.
PROMTOOLS := .state/programs/bin/promtool .state/programs/bin/promtool-2.42
$(PROMTOOLS) &: $(VENV)/installed-dev
	@$(PY) -c 'from tools.servers import PROGRAMS; [PROGRAMS.find(n) for n in ("promtool", "promtool-2.42")]'

nightly: $(VENV)/installed-dev $(PROMTOOLS) ## Run the tests that take too long for CI.
	@$(PY) -m pytest -m nightly

test-alerts: $(VENV)/installed-dev $(PROMTOOLS) ## Run the alert rules' tests on every promtool that can be had.
	@$(PY) -m alerts test

mutate: $(VENV)/installed-dev $(PROMTOOLS) ## Mutation-test alert rules: damage them and check that their tests fail. RULES=… TESTS=…
	@$(PY) -m alerts demo-tests build/demo-tests
	@$(PY) -m alerts.mutation --rules $(RULES) --tests $(TESTS) --promtool $(firstword $(PROMTOOLS)) --json build/mutation.json

bench: $(VENV)/installed-dev ## Measure the cost of telemetry: CPU per request, p99 and CPU per task as ratios to the bare app. BASE=<commit> compares with it.
	@$(PY) -m tools.bench $(if $(BASE),--base $(BASE))
	@$(if $(BASE),,$(PY) -m tools.bench.worker)

chaos: $(VENV)/installed-dev ## Kill processes at random under load, then reconcile orders, charges and emails. MINUTES=10 SEED=1
	@$(PY) -m tools.chaos --minutes $(MINUTES) --seed $(SEED)

fuzz: $(VENV)/installed-dev ## Fuzz the API and the console with generated requests. CASES=2000
	@$(PY) -m tools.fuzz --cases $(CASES)

generate: $(VENV)/installed-dev ## Regenerate alerts/rules, dashboards/json and docs/telemetry.md.
	@$(PY) -m alerts
	@$(PY) -m dashboards
	@$(PY) -m tools.telemetry_document

# ---------------------------------------------------------------------------------------------------------------

UV := $(VENV)/bin/uv
COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
IMAGE := --extra telemetry --extra service --extra worker --extra simulators

lock: $(VENV)/installed-dev ## Choose the newest versions that fit and write the lock files.
	$(COMPILE) --upgrade pyproject.toml --group install -o requirements-install.lock
	$(COMPILE) --upgrade pyproject.toml $(IMAGE) --extra local --extra generate --group dev -o requirements-dev.lock
	$(COMPILE) -c requirements-dev.lock pyproject.toml $(IMAGE) --extra local -o requirements-local.lock
	$(COMPILE) -c requirements-dev.lock pyproject.toml $(IMAGE) -o requirements.lock

# uv installs in seconds what takes pip half a minute; where it cannot (an index that only pip knows), pip does.
INSTALL = $(UV) pip install -q --compile-bytecode --python $(PY) --system-certs --require-hashes -r $(1) 2>/dev/null || \
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r $(1)

$(UV): requirements-install.lock
	@[ -n "$(PYTHON)" ] || { echo "make: Python 3.11 or later is needed, and none was found. PYTHON=… names one."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "Installing python3-venv, which Debian keeps apart …" && apt-get install -y -q python3-venv >/dev/null; } || \
		{ echo "make: $(PYTHON) cannot make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }
	@echo "Preparing $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements-install.lock
	@touch $@

$(VENV)/installed-local: $(UV) requirements-local.lock
	@$(call INSTALL,requirements-local.lock)
	@touch $@

$(VENV)/installed-dev: $(UV) requirements-dev.lock
	@$(call INSTALL,requirements-dev.lock)
	@touch $@ $(VENV)/installed-local
