# `make demo` and `make test` are all a new machine needs; both set up .venv by themselves.
PYTHON ?= python3.11
ifeq (,$(shell command -v $(PYTHON) 2>/dev/null))
PYTHON := python3
endif
BIN := .venv/bin
VIDEO ?=

.PHONY: setup demo test check lint types unit bench clean-venv

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing pinned dependencies into .venv (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: setup
	@$(BIN)/python -m app.demo $(if $(VIDEO),"$(VIDEO)")

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/pytest -q -m "not slow"

check: lint types unit

test: lint types
	$(BIN)/pytest -q

bench: setup
	$(BIN)/python -m benchmarks

clean-venv:
	rm -rf .venv
