# make chat     everything it needs, then the terminal chat          make run     the places whose tokens are there
# make test     everything it needs, then all tests                  make check   lint, types, stairs
PYTHON ?= python3
CUDA ?= auto
BIN := .venv/bin
# Tests that need no model share the cores; those that compute have them to themselves.
TOGETHER := -n auto --maxprocesses 4
# Compiled tests are kept whatever the environment says: compiling them anew costs each worker six seconds.
test test-unit test-faults: export PYTHONDONTWRITEBYTECODE :=

.PHONY: chat run doctor test test-unit test-faults record-faults test-soak check fix bench bench-places bench-teaching lock setup setup-dev embedding clean

chat: setup
	@$(BIN)/understudy chat

run: setup
	@$(BIN)/understudy run

doctor: setup
	@$(BIN)/understudy doctor

test: setup-dev
	$(BIN)/python -m pytest -q $(TOGETHER) -m "not scenario and not model and not process and not fault and not threat"
	$(BIN)/python -m pytest -q $(TOGETHER) -m "scenario and not fault and not threat"
	$(BIN)/python -m pytest -q -m "(model or process) and not fault and not threat"

test-unit: setup-dev
	$(BIN)/python -m pytest -q $(TOGETHER) -m "not scenario and not model and not process and not fault and not threat"

# Everything that may go wrong and everything that may be tried, as docs/reliability.md and docs/security.md list it.
test-faults: setup-dev
	$(BIN)/python -m pytest -q $(TOGETHER) -m "fault or threat" $(RECORD)

record-faults:
	@$(MAKE) test-faults RECORD=--record

# Five minutes of a crowd and a nemesis; `bench/soak.py --minutes 30` is the long one.
test-soak: setup-dev
	$(BIN)/python bench/soak.py --minutes 5 --json build/soak.json --log build/soak.log

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The engine beside its peers, in 12 minutes at most. The first time it builds llama-server, which takes about 8 minutes more on two cores.
bench: setup-dev
	$(BIN)/python bench/engine.py --quick --json build/bench.json --markdown build/bench.md

# The figures of docs/places.md.
bench-places: setup-dev
	$(BIN)/python bench/places.py --quick --json build/places.json

# The figures of docs/teaching.md, from the data sets in SETS; `bench/teaching_report.py` writes them into the documents.
bench-teaching: setup-dev
	$(BIN)/python bench/teaching.py $(if $(SETS),--sets $(SETS)) --quick --json build/teaching.json --markdown build/teaching.md

# Resolves the newest allowed versions into requirements/. Needs `uv`.
lock:
	uv pip compile pyproject.toml --no-emit-package llama-cpp-python --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" -q -U -o requirements/runtime.txt
	uv pip compile pyproject.toml --group dev --no-emit-package llama-cpp-python --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" -q -U -o requirements/dev.txt

setup:
	@$(PYTHON) tools/setup.py --cuda $(CUDA)

setup-dev:
	@$(PYTHON) tools/setup.py --cuda $(CUDA) --dev

# The starter embedding model once more, where set-up could not bring it.
embedding:
	@$(PYTHON) tools/setup.py --embedding

clean:
	rm -rf .venv build *.egg-info
