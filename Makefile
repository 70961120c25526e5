# Every chore is one command; `make help` lists them. A missing .venv is made, a current one is kept.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A stamp is newer than what it was installed from; the development one holds the plain one too.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test lint check bench-smoke

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## fit on the pictures in examples/, score the test pictures, open demo-out/index.html
	$(BIN)/normalis demo --out demo-out

test: $(INSTALLED_DEV) ## run the tests, a file at a time on each of up to four cores
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

lint: $(INSTALLED_DEV) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

check: lint test ## everything that a change must pass

bench-smoke: $(INSTALLED) ## run the smallest benchmark, from pictures to pages, and throw it away
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/normalis benchmark smoke --out "$$folder/out" --cache "$$folder/cache"

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[train]'
	touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(INSTALLED) $@
