# Two commands: `make demo` shows Conclave at work, `make test` checks everything.
# Both need python3 and nothing else; they make .venv on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# `make venv` only installs.
.PHONY: venv

.PHONY: demo test lint format types completeness imports unit clean

demo: $(STAMP)
	$(BIN)/conclave demo $(GRAPH)

venv: $(STAMP)

test: lint types completeness imports unit

unit: $(STAMP)
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

# Whether the public API is typed in full, as pyright sees it from outside. pyright runs on node, and looks for the
# package in the environment of the first python on PATH.
completeness: $(STAMP)
	@if command -v node >/dev/null 2>&1; then \
	  PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --ignoreexternal --verifytypes conclave >$(VENV)/completeness.txt \
	    || { cat $(VENV)/completeness.txt; exit 1; }; \
	  grep 'Type completeness score' $(VENV)/completeness.txt; \
	else echo 'completeness: SKIPPED, there is no node to run pyright with'; fi

imports: $(STAMP)
	$(BIN)/lint-imports

# PIP_CONSTRAINT and not -c: it holds for the build backend's own environment, too.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'make: Conclave needs Python 3.11 or newer; set PYTHON=python3.11 or similar' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) .conclave out .mypy_cache .ruff_cache .pytest_cache .hypothesis

# What a command costs beside raw NATS, in one run; ROUNDS=2 SECONDS=3 is quick, PROFILE=1 says where it goes.
ROUNDS ?= 3
SECONDS ?= 3
CALLS ?= 1000

.PHONY: bench endurance
bench: $(STAMP)
	$(BIN)/python -m benchmarks.round_trip --calls $(CALLS)
	$(BIN)/python -m benchmarks.in_flight --rounds $(ROUNDS) --seconds $(SECONDS) $(if $(PROFILE),--profile)

# Ten thousand agents on one registry; AGENTS=1000 is quick.
AGENTS ?= 10000
.PHONY: bench-registry
bench-registry: $(STAMP)
	$(BIN)/python -m benchmarks.registry --agents $(AGENTS) $(if $(PROFILE),--profile) $(ARGS)

# A deployment graph into a NixOS flake: ARGS="--sizes 100 1000" is quick.
.PHONY: bench-nix
bench-nix: $(STAMP)
	$(BIN)/python -m benchmarks.translation $(ARGS)

# From proposal to decision with 10, 100 and 1,000 voters, beside their raw messages.
.PHONY: bench-votes
bench-votes: $(STAMP)
	$(BIN)/python -m benchmarks.votes $(if $(PROFILE),--profile) $(ARGS)

# Ballots counted per method, beside reading their JSON: ARGS="--ballots 100000" takes longer.
.PHONY: bench-counting
bench-counting: $(STAMP)
	$(BIN)/python -m benchmarks.counting $(ARGS)

# Tasks beside those of Celery, Dramatiq, Taskiq and arq, which get environments of their own, in .venv-peers; needs
# redis-server. ARGS="--tasks 200 --rounds 1" is quick. docs/tasks-benchmark.md
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed
.PHONY: bench-tasks
bench-tasks: $(STAMP) $(PEERS_STAMP)
	$(BIN)/python -m benchmarks.tasks $(ARGS)

$(PEERS_STAMP): benchmarks/peers/requirements.txt benchmarks/peers/requirements-arq.txt
	@command -v redis-server >/dev/null 2>&1 || \
	  { echo 'make: there is no redis-server on PATH; on Debian: apt-get install redis-server' >&2; exit 2; }
	$(PYTHON) -m venv --clear $(PEERS)/main
	$(PYTHON) -m venv --clear $(PEERS)/arq
	$(PEERS)/main/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
	$(PEERS)/arq/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements-arq.txt
	touch $@

# 100 agents, 50,000 tasks, and processes that are killed all the time; ARGS="--agents 10 --tasks 2000" is quick.
.PHONY: storm
storm: $(STAMP)
	$(BIN)/python -m benchmarks.storm $(ARGS)

endurance: $(STAMP)
	$(BIN)/python -m benchmarks.endurance

# Clusters under seeded faults, in virtual time: make simulate SEEDS=1000. docs/simulation.md
SEEDS ?= 200
.PHONY: simulate
simulate: $(STAMP)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)
