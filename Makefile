# make run    start the board on http://127.0.0.1:$PORT (8000)
# make test   every test
# make lint   style, types, migrations        make fmt     put the style right
# make bench  the benchmarks                 make faults the fault bench: SEED=N, SEEDS=N, TIMES=N, PAGE=FILE
# make pictures   the pictures of the docs, taken of real builds
#
# Each makes the environment in .venv/ first, and again only when a file in requirements/ has changed.
# PYTHON=/path/to/python chooses the interpreter that .venv/ is made of.

.PHONY: run test bench faults pictures lint fmt
.DEFAULT_GOAL := run
.DELETE_ON_ERROR:

PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet --quiet --requirement

run: .venv/.installed-fast
	@exec $(PY) manage.py up

test: .venv/.installed-dev
	$(PY) manage.py test

bench: .venv/.installed-bench
	$(PY) -m tests.bench

faults: .venv/.installed-dev
	$(PY) -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(TIMES),--times $(TIMES)) $(if $(PAGE),--markdown $(PAGE))

pictures: .venv/.installed-dev
	$(PY) -m tests.pictures

lint: .venv/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check
	@if command -v node >/dev/null; then \
	  for file in $$(find builds/static/builds tests/js -name '*.js' -o -name '*.mjs' 2>/dev/null); do \
	    echo "node --check $$file"; node --check "$$file" || exit 1; \
	  done; \
	else echo "node is not installed: JavaScript was not checked"; test "$$CI" != true; fi

fmt: .venv/.installed-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

$(PY):
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making the environment in .venv/ with $$("$$python" --version) ..."; \
	    "$$python" -m venv --clear .venv && exit 0; \
	    echo "$$python could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv)." >&2; \
	    rm -rf .venv; exit 1; \
	  fi; \
	done; \
	echo "Buildboard needs Python 3.11 or later, and none was found (PYTHON=/path/to/python chooses one)." >&2; exit 1

.venv/.installed-fast: requirements/base.txt requirements/fast.txt | $(PY)
	@echo "Installing what requirements/fast.txt lists (about a minute) ..."
	@$(PIP) requirements/fast.txt
	@touch $@

.venv/.installed-bench: requirements/bench.txt .venv/.installed-dev
	@echo "Installing what requirements/bench.txt lists ..."
	@$(PIP) requirements/bench.txt
	@touch $@

.venv/.installed-dev: requirements/base.txt requirements/fast.txt requirements/s3.txt requirements/dev.txt | $(PY)
	@echo "Installing what requirements/dev.txt lists (about a minute) ..."
	@$(PIP) requirements/dev.txt
	@touch $@ .venv/.installed-fast
