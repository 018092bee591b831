# The environment is made once, in .venv; pyproject.toml and constraints.txt are what renews it. What the service
# needs comes first, so that the first make serve does not wait for the tools of development.

PYTHON ?= python3.11
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
STORE ?= models
# Extra arguments for the installation of torch alone, for example an index with CPU builds.
TORCH_ARGS ?=

BIN := $(VENV)/bin
SERVICE_STAMP := $(VENV)/.service-installed
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install serve test smoke check format test-slow bench bench-zero bench-accuracy clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 - /p' Makefile

$(SERVICE_STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found. Install Python 3.11 or name another: make PYTHON=python3.12"; exit 1; }
	@echo "Installing into $(VENV): a few minutes, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt $(TORCH_ARGS) torch
	$(PIP) install -c constraints.txt -e ".[service]"
	@touch $@

$(STAMP): $(SERVICE_STAMP)
	$(PIP) install -c constraints.txt -e ".[dev,service]"
	@touch $@

install: $(STAMP)  ## make .venv with the pinned dependencies and the project

serve: $(SERVICE_STAMP)  ## serve forecasts on http://127.0.0.1:8000 (HOST, PORT, STORE)
	@exec $(BIN)/tcn serve --host $(HOST) --port $(PORT) --store $(STORE)

test: $(STAMP)  ## the quick tests, under five minutes on two cores
	$(BIN)/python -m pytest -n auto --dist loadfile

smoke: $(STAMP)  ## the fastest check that anything works
	$(BIN)/python -m pytest -q -x tests/project/test_cli_pretrain.py tests/project/test_cli_forecast.py

check: $(STAMP)  ## format, lint, layering, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(STAMP)  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-slow: $(STAMP)  ## the tests that train for real
	$(BIN)/python -m pytest -m slow --timeout 3600

bench: $(STAMP)  ## speed, memory and growth beside peers (which must be installed), as one table
	@set -e; for name in training_speed time_to_accuracy prediction_speed start_up memory long_files cost_growth latency; do $(BIN)/python -m benchmarks.$$name; done
	$(BIN)/python -m benchmarks.training_speed --threads 1
	$(BIN)/python -m benchmarks.prediction_speed --threads 2
	-$(BIN)/python -m benchmarks.gpu  # ends with 1 where there is no CUDA device
	@set -e; for part in streams last training; do $(BIN)/python -m benchmarks.streaming $$part; done
	$(BIN)/python -m benchmarks.table

bench-zero: $(STAMP)  ## zero-shot accuracy beside published figures; TCN_DATA names the folder with the series
	$(BIN)/python -m benchmarks.zero_shot --intervals
	$(BIN)/python -m benchmarks.synthetic_series

bench-accuracy: $(STAMP)  ## accuracy of trained models; takes hours
	@set -e; for task in m3 tourism etth1; do $(BIN)/python -m benchmarks.accuracy $$task; done

clean:  ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
