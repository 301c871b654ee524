# Everything the project does from a clone. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# -qq: errors only
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --no-deps

# What an editable install is made from: a change of any of these installs again.
BUILD_INPUTS := pyproject.toml $(wildcard setup.py) $(shell find model -name '*.[ch]' 2>/dev/null)
# A stamp says that an install from that lock was completed. dev.lock holds all of run.lock.
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
BENCH_STAMP := $(VENV)/.installed-bench

REPORT ?= scenarios/venezuela/baseline.yaml
TEST_ARGS ?= -n 2 --dist worksteal
LAB_ARGS ?=
BENCH_ARGS ?=
LOCK_ARGS ?=
NBSTRIPOUT := $(BIN)/nbstripout --keep-id \
	--extra-keys "metadata.papermill cell.metadata.papermill cell.metadata.execution"
NOTEBOOKS = $(wildcard notebooks/*.ipynb)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help report test lab lint format bench backtest lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

report: $(RUN_STAMP) ## set up, then write the report of REPORT (a scenario file) to reports/
	$(BIN)/escalation report $(REPORT)

test: $(DEV_STAMP) ## set up, then run the tests (TEST_ARGS go to pytest)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TEST_ARGS)

lab: $(DEV_STAMP) ## set up, then open JupyterLab here (LAB_ARGS go to it)
	$(BIN)/escalation lab $(LAB_ARGS)

lint: $(DEV_STAMP) ## check style, types, layers, notebooks and locks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@if [ -n "$(NOTEBOOKS)" ] && ! $(NBSTRIPOUT) --verify $(NOTEBOOKS); then \
		echo "notebooks are committed without outputs: run 'make format'"; exit 1; fi
	@if grep -nE '://|^ *-(i|f|-[a-z-]*(index|find|host))' requirements/*.lock; then \
		echo "a lock names a host: run 'make lock'"; exit 1; fi
	@$(BIN)/python -m pip check --disable-pip-version-check

format: $(DEV_STAMP) ## mend what lint can mend by itself
	-$(BIN)/ruff check --fix --quiet
	$(BIN)/ruff format
	$(if $(NOTEBOOKS),$(NBSTRIPOUT) $(NOTEBOOKS))

bench: ## set up .venv-bench, then time the engine against its limits and its peers
	@$(MAKE) --no-print-directory VENV=.venv-bench .venv-bench/.installed-bench
	ESCALATION_REFERENCE=$${ESCALATION_REFERENCE:-../shared/reference} \
		.venv-bench/bin/python benchmarks/run.py $(BENCH_ARGS)

backtest: $(DEV_STAMP) ## forecast and score past confrontations into docs/backtest.md
	ESCALATION_REFERENCE=$${ESCALATION_REFERENCE:-../shared/reference} $(BIN)/escalation backtest

# One version of each package for every Python and platform, so that what was tested is what runs.
UV_COMPILE = env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
	.venv-lock/bin/uv pip compile --no-config --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --no-header $(LOCK_ARGS)

lock: ## write requirements/*.lock from pyproject.toml (LOCK_ARGS=--upgrade: newest versions)
	@[ -x .venv-lock/bin/uv ] || { $(PYTHON) -m venv --clear .venv-lock && \
		.venv-lock/bin/python -m pip install -qq --disable-pip-version-check uv; }
	$(UV_COMPILE) --extra dev --output-file requirements/dev.lock pyproject.toml >/dev/null
	$(UV_COMPILE) --extra build --constraints requirements/dev.lock \
		--output-file requirements/run.lock pyproject.toml >/dev/null
	$(UV_COMPILE) --extra bench --constraints requirements/dev.lock \
		--output-file requirements/bench.lock pyproject.toml >/dev/null

clean: ## remove the environments, caches and build leftovers (never a report)
	rm -rf .venv .venv-bench .venv-lock build dist model/*.egg-info .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find model -name '*.so' -delete
	find model tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# $(call install,LOCK,STAMPS): a complete install or none. The stamps go first and come back last.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is missing or older than 3.11: name a newer one, as in 'make PYTHON=python3.12 $(MAKECMDGOALS)'"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments: install its venv module (Debian: 'apt-get install python3-venv')"; exit 1; }
	@rm -f $(RUN_STAMP) $(DEV_STAMP) $(BENCH_STAMP)
	@echo "setting up $(VENV) from $(1) (a minute or two the first time)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP_INSTALL) --require-hashes -r $(1)
	@find model -name '*.so' -delete # a kernel that no longer builds must not live on
	@$(PIP_INSTALL) --no-build-isolation -e .
	@$(BIN)/escalation --version # says whether the kernel was built
	@touch $(2)
endef

$(RUN_STAMP): requirements/run.lock $(BUILD_INPUTS)
	$(call install,requirements/run.lock,$(RUN_STAMP))

$(DEV_STAMP): requirements/dev.lock $(BUILD_INPUTS)
	$(call install,requirements/dev.lock,$(RUN_STAMP) $(DEV_STAMP))

$(BENCH_STAMP): requirements/bench.lock $(BUILD_INPUTS)
	$(call install,requirements/bench.lock,$(BENCH_STAMP))
