# make install  installs what a user needs: forecasting, training, reports, export
#                (more with EXTRAS=web,sinks)
# make demo     installs what the demo needs and runs the live forecaster on the simulated tank
# make test     installs everything and runs lint, types and tests
# make docs     builds the documentation site in site/, and fails on any warning
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# tests at a time; each worker takes up to 2 GB of memory
TEST_WORKERS ?= 2
# so many that there are 300 forecasts even where only every third frame can be forecast
DEMO_FRAMES ?= 1050

.PHONY: install demo test lint docs licences clean demo-bundle

# each time anew, as EXTRAS may be others: make install EXTRAS=web,sinks
install: | $(VENV)/.python
	$(PIP) install -q -c constraints.txt -e '.[cpu,train,export$(EXTRAS:%=,%)]'
	@$(MAKE) --no-print-directory window-or-headless
	@touch $(VENV)/.demo
	@echo "installed; in every new terminal: . $(VENV)/bin/activate"

demo: $(VENV)/.demo
	@mkdir -p demo-output
	$(BIN)/fishrt live --camera demo --frames $(DEMO_FRAMES) --output demo-output/forecasts.jsonl --overwrite

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# needs no network: nothing is fetched, neither for the build nor by the pages
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

licences: $(VENV)/.dev
	$(PIP) install -q -c constraints.txt -e '.[cpu,train,export,report,sweep,parquet,ray]'
	$(BIN)/python docs/list_licences.py > docs/licences.md

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "fishrt needs Python 3.11 to 3.13 (there is no TensorFlow 2.21 for later ones); \
	try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/.python
	$(PIP) install -q -c constraints.txt -e '.[cpu]'
	@$(MAKE) --no-print-directory window-or-headless
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.python
	$(PIP) install -q -c constraints.txt -e '.[cpu,train,export,dev]'
	@$(MAKE) --no-print-directory window-or-headless
	@touch $@ $(VENV)/.demo

# opencv-python needs the system's libGL for its windows; a machine without it (a container, a
# server) has no window to open either, and gets the same OpenCV without them
.PHONY: window-or-headless
window-or-headless:
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  echo "this machine has no libGL: taking OpenCV without windows"; \
	  $(PIP) uninstall -q -y opencv-python; \
	  $(PIP) install -q --force-reinstall --no-deps -c constraints.txt opencv-python-headless; }

# how fishrt/bundles/demo was made (docs/demo-bundle.md); about 40 minutes on two cores
demo-bundle: $(VENV)/.dev
	PATH="$(abspath $(BIN)):$$PATH" sh configs/make-demo-bundle.sh

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
