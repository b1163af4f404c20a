# Everything here works without activating an environment. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
TOOLS := .sluice/tools
# uv of the machine, by its name, as its path may have blanks; else one of our own, fetched by `make setup`.
OWN_UV := $(if $(shell command -v uv 2>/dev/null),,$(TOOLS)/bin/uv)
UV := $(or $(OWN_UV),uv)
# Those for which all that is locked has wheels. The distribution's own comes first where it is one of them: it is built with
# profile-guided optimisation, which what compiles Python on a machine leaves out, and that is a sixth of all speed.
PYTHONS := >=3.11,<3.15
FITS := import ctypes, sqlite3, ssl, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell /usr/bin/python3 -c '$(FITS)' 2>/dev/null && echo /usr/bin/python3 || echo '$(PYTHONS)')
SYNCED := $(VENV)/.synced
# Says so unless an environment was made in this place, and its Python is still there: both end with paths inside of it.
stale = $(shell [ -x $(1)/bin/python ] && [ "$$(cat $(1)/.synced 2>/dev/null)" = "$(CURDIR)" ] || echo stale)
# Stacks that may run where the Python that could end them has vanished. They are never passed over: it is made anew first.
ORPHANS := $(shell [ -x $(PY) ] || grep -ls '"pid"' .sluice/stack.json .sluice/children.json .sluice/*/stack.json)
# A home in which nothing may be written, as many containers have it, stops uv.
ifneq ($(shell [ -w "$$HOME" ] && echo yes),yes)
export UV_CACHE_DIR ?= $(CURDIR)/.sluice/uv/cache
export UV_PYTHON_INSTALL_DIR ?= $(CURDIR)/.sluice/uv/python
endif
# More arguments for the program behind a target: make test ARGS="-k planner"
ARGS :=

##@ Run
.PHONY: setup demo up stop status psql
setup: $(SYNCED) ## Create .venv from requirements.lock (again only when the lock changed)

demo: setup ## Start everything, run one job, show the result
	$(PY) -m infra.demo $(ARGS)

up: setup ## Start Kafka, Postgres and the services in the background
	$(PY) -m infra.local up $(ARGS)

stop: $(if $(ORPHANS),setup) ## Stop services, Kafka and Postgres; data stay
	@if [ -x $(PY) ]; then $(PY) -m infra.local stop $(ARGS); fi

status: setup ## Show addresses, pids and memory
	$(PY) -m infra.local status $(ARGS)

##@ Test
.PHONY: test bench
test: setup ## Run all tests on a real Kafka and Postgres
	$(BIN)/pytest $(ARGS)

bench: setup $(VENV)-bench/.synced ## Run the benchmarks
	$(PY) -m benchmarks $(ARGS)

##@ Quality
.PHONY: lint fmt docs
# What a platform lacks is seen by its types, also where the other one is checked.
lint: setup ## Check style, formatting, types (as on Linux, as on macOS), imports and dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --platform linux
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports
	$(BIN)/deptry .

fmt: setup ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## Write docs/settings.md and docs/reference.md from the models
	$(PY) -m infra.settings_page
	$(PY) -m infra.reference_page

##@ Data
.PHONY: reset lock lock-jars clean
psql: setup ## Open psql on the running database
	@$(PY) -m infra.local psql $(ARGS)

reset: setup ## Stop everything and delete data and logs
	$(PY) -m infra.local reset $(ARGS)

lock: $(OWN_UV) ## Write requirements.lock and requirements-run.lock (the image's) anew from pyproject.toml
	$(UV) pip compile pyproject.toml --all-extras --group local --group dev --generate-hashes --universal \
		--python-version 3.11 --no-emit-index-url --no-header -o requirements.lock
	$(UV) pip compile pyproject.toml --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
		--no-header --constraint requirements.lock -o requirements-run.lock
	echo uv | $(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url \
		--no-header --no-annotate -o requirements-uv.lock -

lock-jars: setup ## Write the lock of Kafka's jars anew from jgo.toml
	cd infra/local/kafka && rm -f jgo.lock.toml && \
		"$(CURDIR)/$(BIN)/jgo" --ignore-config --resolver python -f jgo.toml lock

clean: stop ## Delete environments, caches and the stack with its data
	@if [ -x $(PY) ]; then $(PY) -m infra.local reset; fi
	rm -rf $(VENV) $(VENV)-bench .sluice .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Help
.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- how the environments come to be ----------------------------------------------------------------------------------

$(SYNCED): requirements.lock $(call stale,$(VENV)) | $(OWN_UV)
	@[ -z "$(call stale,$(VENV))" ] || { rm -rf $(VENV) && $(UV) venv --quiet --python '$(PYTHON)' $(VENV); }
	$(UV) pip sync --quiet --python $(PY) --require-hashes requirements.lock
	@# The project is run from its checkout: a path entry makes it importable, a script gives the command.
	@printf '%s\n' '$(CURDIR)' > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sluice.pth"
	@printf '%s\n' '#!/bin/sh' \
		'exec "$(CURDIR)/$(PY)" -P -c "import sys; sys.argv[0] = \"sluice\"; from shared.client.cli import main; main()" "$$@"' \
		> $(BIN)/sluice
	@chmod +x $(BIN)/sluice
	@printf '%s\n' '$(CURDIR)' > $@

$(VENV)-bench/.synced: requirements-bench.lock $(call stale,$(VENV)-bench) | $(OWN_UV)
	@[ -z "$(call stale,$(VENV)-bench)" ] || { rm -rf $(VENV)-bench && $(UV) venv --quiet --python '$(PYTHON)' $(VENV)-bench; }
	$(UV) pip sync --quiet --python $(VENV)-bench/bin/python --require-hashes requirements-bench.lock
	@printf '%s\n' '$(CURDIR)' > $@

.PHONY: stale
stale:

# Needed only where the machine has no uv.
$(TOOLS)/bin/uv:
	@sh infra/local/fetch_uv.sh $(TOOLS)
