# neurosim: `make` lists what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# where the MNIST and Fashion-MNIST files lie, for the slow tests and benchmarks
DATA_DIR ?=

.DEFAULT_GOAL := help
.PHONY: help train test coverage test-slow test-gpu lint format bench bench-gpu figures docs clean

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

train: $(VENV)/.train    ## train CorInfoMax on the embedded digits (no download, a minute)
	$(BIN)/neurosim train --dataset digits --gallery

# One process more than processors, up to eight: tests also wait, for other programs and for each
# other. Modules stay compiled, as tests start Python again and again.
test: $(VENV)/.dev       ## run the tests
	rm -rf build/test-cache
	PYTHONDONTWRITEBYTECODE= NEUROSIM_CACHE="$(CURDIR)/build/test-cache" \
	  $(BIN)/python -m pytest --dist worksteal --numprocesses \
	  $$($(BIN)/python -c 'import os; print(min((os.cpu_count() or 1) + 1, 8))') $(PYTEST)

coverage: $(VENV)/.dev   ## run the tests, and tell which lines they reach (twice the time)
	$(MAKE) test PYTEST="--cov --cov-report=term:skip-covered --cov-fail-under=90"

test-slow: $(VENV)/.dev  ## run the tests that take minutes, or need MNIST where train keeps it or DATA_DIR=...
	$(if $(DATA_DIR),NEUROSIM_MNIST_DIR="$(DATA_DIR)") $(BIN)/python -m pytest \
	  -m "slow or hypothesis" --hypothesis-profile=drawn

test-gpu: $(VENV)/.gpu   ## compare an NVIDIA GPU with the CPU, every system
	$(BIN)/python -m pytest -m gpu tests/test_gpu.py -s

lint: $(VENV)/.dev       ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/typecheck
	mkdir -p build/typecheck
	cp -r neurosim build/typecheck/neurosim
	cp -r models build/typecheck/neurosim/models
	cp -r benchmarks build/typecheck/benchmarks
	cd build/typecheck && ../../$(BIN)/mypy --config-file ../../setup.cfg -p neurosim -p benchmarks

format: $(VENV)/.dev     ## put the code into the common format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev      ## measure speed against other implementations
	$(BIN)/python -m benchmarks $(if $(DATA_DIR),--data-dir $(DATA_DIR))

bench-gpu: $(VENV)/.gpu  ## measure an NVIDIA GPU beside PyTorch on it and this CPU
	$(BIN)/python -m benchmarks.gpu $(if $(DATA_DIR),--data-dir $(DATA_DIR))

docs: $(VENV)/.docs      ## regenerate the pages made from the models, and the site (build/site/html)
	$(BIN)/python scripts/draw_circuit.py
	$(BIN)/python scripts/draw_circuit.py --system urfb --dataset cifar10
	$(BIN)/python docs/make_model_pages.py
	$(BIN)/python docs/make_results_pages.py
	$(BIN)/python docs/make_site.py

clean:           ## remove the environment and build products (not the runs)
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage *.egg-info

# ---------------------------------------------------------------- environment

define check_tools
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 to 3.13, or say make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "$$($(PYTHON) --version) is not supported: Python 3.11 to 3.13, e.g. make PYTHON=python3.12" >&2; exit 2; }
	@set -- $${CXX:-g++}; command -v "$$1" >/dev/null || command -v clang++ >/dev/null || { echo "no C++ compiler found: install g++ (docs/install.md)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment: on Debian and Ubuntu install python3-venv" >&2; exit 2; }
endef

$(VENV)/.train: setup.cfg pyproject.toml
	$(check_tools)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.dev: setup.cfg pyproject.toml
	$(check_tools)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,lint]"
	touch $@ $(VENV)/.train

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	touch $@

$(VENV)/.gpu: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cuda]"
	touch $@
