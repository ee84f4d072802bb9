# `make demo` and `make test` are all a new machine needs; both set up .venv by themselves.
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for name in python3.11 python3.12 python3 python; do \
	"$$name" -c "$(SUITS)" 2>/dev/null && { echo "$$name"; break; }; done)
BIN := .venv/bin
VIDEO ?=
PORT ?=

.PHONY: setup models demo demo-episode farm test check lint types unit bench bench-models bench-own bench-episode bench-farm services soak train clean-venv

# A virtual environment does not survive a move: the stamp holds the folder that it was made in.
ifneq ($(CURDIR),$(shell cat .venv/.ready 2>/dev/null))
.PHONY: .venv/.ready
CLEAR := $(if $(wildcard .venv/.ready),--clear)
endif

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Sakuga needs Python 3.11 or 3.12: install it, or run: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@"$(PYTHON)" -c "$(SUITS)" 2>/dev/null || { echo "Sakuga needs Python 3.11 or 3.12; $(PYTHON) is another one." >&2; exit 1; }
	@"$(PYTHON)" -c "import ensurepip, venv" 2>/dev/null || { echo "This Python has no venv module: install it (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@test -x $(BIN)/python -a -z "$(CLEAR)" || "$(PYTHON)" -m venv $(CLEAR) .venv
	@echo "Installing pinned dependencies into .venv (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@echo "$(CURDIR)" > $@

models: .venv/.models

# Real-ESRGAN, RIFE and other people's checkpoints. spandrel asks for torchvision, of which it uses three lines
# that Sakuga has too, and which has no CPU build.
.venv/.models: .venv/.ready
	@echo "Installing PyTorch into .venv (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[torch]"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps spandrel einops
	@touch $@

demo: setup
	@$(BIN)/python -m app.demo $(if $(VIDEO),"$(VIDEO)")

demo-episode: setup
	@$(BIN)/python -m app.demo_episode

# Prefect's server, its page, all deployments and the workers of this machine, until Ctrl-C.
farm: setup
	@$(BIN)/sakuga farm up $(if $(PORT),--port $(PORT))

lint: models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: models
	$(BIN)/mypy

# tests side by side; a server for each process is what more processes cost
PARALLEL := -n logical --maxprocesses 4

# beside others its memory runs out where it is not meant to
ALONE := tests/acceptance/test_model_faults.py

unit: models
	$(BIN)/pytest -q $(PARALLEL) --dist loadfile -m "not slow and not farm"

check: lint types unit

# Tests of the production settings want these; they are skipped, with the reason, where they cannot be had.
services:
	@deployments/services.sh

# Tests of the farm mostly wait: they run at the same time as the others, and are shown at the end.
test: lint types services
	@log=$$(mktemp); $(BIN)/pytest -q $(PARALLEL) --dist loadfile -m farm > "$$log" 2>&1 & farm=$$!; \
	trap 'kill $$farm; wait $$farm; rm -f "$$log"' INT TERM; \
	$(BIN)/pytest -q $(PARALLEL) --dist loadfile -m "not slow and not farm"; unit=$$?; \
	$(BIN)/pytest -q $(PARALLEL) --dist worksteal -m "slow and not farm" --ignore=$(ALONE); slow=$$?; \
	$(BIN)/pytest -q -m "slow and not farm" $(ALONE); alone=$$?; \
	wait $$farm; farm=$$?; cat "$$log"; rm -f "$$log"; exit $$((unit | slow | alone | farm))

bench: models
	$(BIN)/python -m benchmarks $(if $(NAME),$(NAME)) --write

bench-models: models
	$(BIN)/python -m benchmarks $(if $(NAME),$(NAME),models) --write

# Our own networks; DRAWN and FILMED are folders of pictures that they were not trained on.
bench-own: models
	SAKUGA_BENCH_DRAWN="$(DRAWN)" SAKUGA_BENCH_FILMED="$(FILMED)" $(BIN)/python -m benchmarks $(if $(NAME),$(NAME),own) --write

bench-episode: setup
	$(BIN)/python -m benchmarks $(if $(NAME),$(NAME),episode) --write

# Minutes to hours; with PostgreSQL where it is installed.
bench-farm: models services
	$(BIN)/python -m benchmarks $(if $(NAME),$(NAME),farm) --write

# Jobs on a farm that breaks all the time, and the table of it in docs/reliability.md.
soak: models
	$(BIN)/python -m tests.farm.soak --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1) --write

# A network of ours from DATA, a folder of pictures and clips, or from drawings that the code makes.
train: models
	$(BIN)/python -m training make $(or $(MODEL),drawn-s) $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)") $(ARGS)

clean-venv:
	rm -rf .venv
