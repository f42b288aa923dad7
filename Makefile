# Every target sets up what it needs: a fresh machine needs Python 3.11 or newer and a package index.
# Of `python3` and the system's own the faster one is taken (benchmarks/interpreter.py): builds differ by a third.
# Another Python: make test PYTHON=python3.13

PYTHON ?=
ARGS ?=
BIN := .venv/bin
# The Python that is here is used; none is ever downloaded behind anybody's back.
export UV_PYTHON_DOWNLOADS := never
# A uv of the caller's other projects must not be told to use their environment.
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT
# Compiling everything anew at each start takes longer than the start itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help native demo serve test check chaos fuzz interop bench bench-peers docs clean

# NATIVE=1: demo, serve, test, chaos, fuzz with the compiled modules, made anew when a source is newer.
NATIVE_PATH := $(CURDIR)/build/native
ifneq ($(NATIVE),)
export PYTHONPATH := $(NATIVE_PATH)
READY := build/native/.built
else
READY := .venv/.synced
endif
TESTS := PYTHONPATH=tests$(NATIVE:%=:$(NATIVE_PATH))

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 13

demo: $(READY) ## Send messages through a simulated carrier and watch them
	@$(BIN)/onesixty demo $(ARGS)

serve: $(READY) ## Run the platform on its embedded PostgreSQL
	@$(BIN)/onesixty serve $(ARGS)

# By file or more (tests/shares.py): tests share the server that a fixture starts. In the order given there:
# xdist would begin with the files of many tests and end with those that take longest. Four on two cores: many wait.
test: $(READY) ## Run all tests; ARGS="tests/sms -k gsm" for some
	@$(BIN)/pytest -n 4 --dist loadscope --no-loadscope-reorder $(ARGS)

native: build/native/.built ## Compile the walk (needs a C compiler); then NATIVE=1, or the wheel in build/wheel

check: .venv/.synced ## Check style, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# Those that take long, or change a database, are run by hand.
LONG := growth history scheduled soak urgent
bench: .venv/.synced ## Run every benchmark that takes a minute or less
	@set -e; for script in $(filter-out $(LONG:%=benchmarks/%.py),$(sort $(wildcard benchmarks/[!_]*.py))); do echo "== $$script"; $(BIN)/python "$$script"; done

bench-peers: build/native/.built ## Compare, compiled, with Kannel and Jasmin, installing them (as root); about an hour
	@PYTHONPATH=$(NATIVE_PATH) $(BIN)/python benchmarks/peers/goals.py $(ARGS)

# SEED: the same schedule again.
chaos: $(READY) ## Break everything at random under load: SEED=7 MINUTES=5
	@$(TESTS) $(BIN)/python -m chaos.drill --minutes $(or $(MINUTES),5) $(SEED:%=--seed %)
	@$(TESTS) $(BIN)/python -m chaos.silence

# FIRST: the case to begin with, as a failure tells it.
fuzz: $(READY) ## Spoil PDUs at random: COUNT=10000000 SEED=1
	@$(TESTS) $(BIN)/python -m fuzz --count $(or $(COUNT),100000) $(SEED:%=--seed %) $(FIRST:%=--first %)

interop: .venv/.synced ## Pass messages to and from other implementations: COUNT=1000
	@tests/interop/install.sh
	@PYTHONPATH=tests $(BIN)/python -m interop.thousand --count $(or $(COUNT),1000) $(ARGS)

docs: .venv/.synced ## Write the reference pages anew
	@$(BIN)/onesixty reference --write docs/reference

clean: ## Remove what was built and installed; data folders stay
	@rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

UV := uv=uv; uv export --frozen --quiet >/dev/null 2>&1 || { $(MAKE) --no-print-directory build/uv/bin/uv && uv=build/uv/bin/uv; }

# The stamp is older than the lock file when there is something to install.
.venv/.synced: pyproject.toml uv.lock
	@python=$$($(or $(PYTHON),python3) benchmarks/interpreter.py --fastest $(or $(PYTHON),python3 /usr/bin/python3)); \
	[ "$$python" ] || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	$(UV) && \
	$$uv sync --frozen --quiet --python "$$python"
	@touch $@

# Beside the editable package, not in it: a compiled module would hide the source that somebody edits.
build/native/.built: .venv/.synced hatch_build.py pyproject.toml $(shell find src -name '*.py')
	@command -v cc >/dev/null && [ -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || \
		{ echo "A C compiler and Python's headers are needed (Debian, Ubuntu: apt install gcc python3-dev)" >&2; exit 1; }
	@rm -rf build/native build/wheel; $(UV) && \
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 $(BIN)/hatchling build --target wheel --directory build/wheel && \
	$$uv pip install --quiet --python $(BIN)/python --no-deps --target build/native build/wheel/*.whl
	@touch $@

# Only where no suitable uv is on the PATH.
build/uv/bin/uv:
	@$(or $(PYTHON),python3) -m venv build/uv || \
		{ rm -rf build/uv; echo "This Python lacks its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@build/uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.7' || { rm -rf build/uv; exit 1; }
