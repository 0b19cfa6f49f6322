# `make book` and `make test` are the two commands; everything else is a part of them.
# A fresh machine needs Python 3.11-3.13 and make: the first target creates .venv by itself.
# Where an environment already exists: make test VENV=/path/to/it STAMP=

PYTHON ?= python3
VENV   ?= .venv
STAMP  ?= $(VENV)/.installed
BIN    := $(VENV)/bin
HTML   := _build/html

# Tests and notebooks run side by side, one thread each: small pictures gain nothing from more threads.
JOBS   ?= $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() or 1, 8))')

# tqdm writes to stderr, which would become part of a notebook's output.
book nbval notebooks: export TQDM_DISABLE := 1
unit portable nbval: export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Widgets, their extension, ipython and traitlets as in Colab's list of 2023 (github.com/googlecolab/backend-info, pip-freeze.txt), which still has
# ipywidgets 7 in September 2026 (github.com/retentioneering/retentioneering-tools/pull/145); what goes with them. All else is taken from $(VENV).
COLAB = ipywidgets==7.7.1 widgetsnbextension==3.6.6 ipykernel==6.17.1 ipython==7.34.0 traitlets==5.7.1 tornado==6.5.1 notebook==6.5.7

NOTEBOOKS = $(wildcard book/*.ipynb)
READERS   = $(wildcard notebooks/*.ipynb)

.DEFAULT_GOAL := help
.PHONY: help venv book test lint types unit portable nbval notebooks experiments readers wheel address browser colab format clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP)  ## create .venv with the pinned environment

# In the stamp so that a changed pin or a changed package definition installs again.
$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11-3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

book: $(STAMP)  ## build the book from the stored notebooks into _build/html
	rm -rf _build
	$(BIN)/jupyter-book build -W -n --keep-going .
	@echo "open $(HTML)/index.html"

test: lint types unit portable nbval  ## everything but the browser: style, types, units, notebooks

lint: $(STAMP)  ## ruff, rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## mypy
	$(BIN)/mypy

unit: $(STAMP)  ## pytest (COVERAGE=1: with coverage, half as long again)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(if $(COVERAGE),--cov --cov-report=term) -m "not browser and not portable"

portable: $(STAMP)  ## the tests that compare numbers, on another instruction set (EVERY=1: every stored run anew)
	$(BIN)/python tools/portable.py -n $(JOBS) --dist worksteal $(if $(EVERY),-m numerical)

nbval: $(STAMP)  ## execute notebooks/, as on Colab and from the built wheel, and compare
	$(BIN)/python tools/check_notebooks.py $(or $(ONLY),$(READERS))

notebooks: $(STAMP)  ## execute every notebook and write it back, normalised (ONLY=book/04*.ipynb for some)
	$(BIN)/python tools/run_notebooks.py $(or $(ONLY),$(NOTEBOOKS))
	$(BIN)/python tools/reader_notebooks.py

experiments: $(STAMP)  ## run the book's experiments that are out of date: hours, says how many (ONLY=09/valleys; PLAN=1 only says)
	$(BIN)/python tools/experiments.py $(if $(PLAN),--plan) $(ONLY)

readers: $(STAMP)  ## write notebooks/ anew from the stored chapters: plain Markdown, nothing is executed
	$(BIN)/python tools/reader_notebooks.py

wheel: $(STAMP)  ## build dist/styletut-VERSION-py3-none-any.whl
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation -w dist .
	@ls dist/*.whl

address: $(STAMP)  ## say where the project is published: make address URL=https://github.com/OWNER/NAME (PAGES=… too)
	$(BIN)/python tools/address.py $(URL) $(PAGES)

browser: $(STAMP)  ## figures, notebooks in JupyterLab and the built book (after `make book`) in headless Chromium
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests -m browser

colab: $(STAMP)  ## the widgets with ipywidgets 7.7, which Colab comes with
	$(PYTHON) -m venv $(VENV)/colab
	$(VENV)/colab/bin/python -m pip install --quiet $(COLAB)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(VENV)/colab/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz-others.pth"
	$(VENV)/colab/bin/python -m pytest -p no:cacheprovider -m "not browser" tests/studio/test_view.py tests/teach/test_live.py tests/teach/test_widgets.py

format: $(STAMP)  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what was built (the environment stays)
	rm -rf _build build dist .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
