# Everything runs from a virtual environment in .venv, made from requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
DEMO_DATA := data/synthetic
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.DEFAULT_GOAL := help
.PHONY: help install sweep ablation ui cluster cluster-stop test test-slow test-cluster test-browser test-all soak soak-short soak-cluster \
	check docs mutants bench bench-full lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: .venv/installed ## make the virtual environment (the other commands do this where it is missing)

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

sweep: .venv/installed ## make the built-in data and run the default study (about 5 minutes on 2 cores)
	$(BIN)/rdpp data synth $(DEMO_DATA)
	$(BIN)/rdpp sweep sweeps/demo.yaml --workers 2

ablation: .venv/installed ## variants with and without transport and noise, on the built-in data (under 10 minutes on 2 cores)
	$(BIN)/rdpp data synth $(DEMO_DATA)
	$(BIN)/rdpp ablate sweeps/ablation.yaml
	$(BIN)/rdpp report demo-ablation --out runs/demo-ablation.html

ui: .venv/installed ## start the MLflow UI on 127.0.0.1:5000
	$(BIN)/rdpp ui

cluster: .venv/installed ## start PostgreSQL and an MLflow server on 127.0.0.1, with their data in runs/cluster
	$(BIN)/python scripts/cluster/cluster.py start

cluster-stop: .venv/installed ## stop them; their data stays
	$(BIN)/python scripts/cluster/cluster.py stop

PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

test: .venv/installed ## run the tests, but for the exhaustive ones and those that need servers or a browser (6 minutes on 2 cores)
	$(PYTEST) --numprocesses auto -m "not slow and not cluster and not browser"

test-slow: .venv/installed ## run the tests that are exhaustive: each has a smaller case in `make test`
	$(PYTEST) --numprocesses auto -m "slow and not browser"

test-cluster: .venv/installed ## run the tests on a PostgreSQL and an MLflow server, which they start
	$(PYTEST) --numprocesses 2 -m cluster --durations 5 tests/cluster

test-browser: .venv/installed ## look at the UI of MLflow in the chromium of Debian (1.5 minutes)
	$(PYTEST) -m browser --durations 5 tests/browser

test-all: .venv/installed ## run all tests, and sweeps whose processes are killed (25 minutes on 2 cores)
	$(PYTEST) --numprocesses auto -m "not cluster and not browser"
	$(MAKE) test-browser test-cluster soak-short

soak-short: .venv/installed ## small ones of the two that follow
	$(BIN)/python scripts/soak/soak.py --short --on both

soak: .venv/installed ## kill, stop and suspend the workers of a sweep for 12 minutes: nothing may be lost
	$(BIN)/python scripts/soak/soak.py

soak-cluster: .venv/installed ## the same on PostgreSQL and an MLflow server, which fail too (15 minutes)
	$(BIN)/python scripts/soak/soak.py --on servers

check: .venv/installed ## lint, format, types, import layers and the pages' links
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(MKDOCS)

docs: .venv/installed ## build the pages of docs/ into site/index.html
	$(MKDOCS)

mutants: .venv/installed ## break the code in many small ways and see the tests notice
	$(BIN)/python scripts/mutants/mutants.py

bench: .venv/installed ## times beside the released procedure and the hardware (10 minutes on 2 quiet cores)
	$(BIN)/python scripts/bench/bench.py

bench-full: .venv/installed ## the same, with WideResNet50-2 and a whole epoch (45 minutes)
	$(BIN)/python scripts/bench/bench.py --full

lock: ## resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --group dev --extra postgres --extra ray --extra onnx pyproject.toml -o requirements.lock

clean: ## remove the virtual environment, runs and built-in data
	[ ! -d runs/cluster ] || [ ! -x $(BIN)/python ] || $(BIN)/python scripts/cluster/cluster.py stop
	rm -rf .venv runs site $(DEMO_DATA)
