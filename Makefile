# The two commands: `make demo` and `make test`. Both set up .venv first, from exact versions.

SHELL := /bin/bash
# Scripts start three times faster from byte-compiled packages.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3.11
CORES ?= 2
VENV := .venv
export UV_PROJECT_ENVIRONMENT := $(VENV)
BIN := $(VENV)/bin
# One process a core; the tests of a file stay together, as they share what they made.
SIDE_BY_SIDE := --numprocesses $(CORES) --dist loadfile
SETUP := $(VENV)/.complete
SITE := .venv-docs

.PHONY: demo test test-slow test-slurm slurm bench error-rates docs site lint lock clean

demo: $(SETUP)  ## Make the digital twin, analyse it, write results/demo/report.html
	$(BIN)/snakemake --cores $(CORES)
	@echo "Open results/demo/report.html"

test: $(SETUP)  ## The default tests
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-slow: $(SETUP)  ## Long checks: real scans, error rates over many null data sets
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m slow

test-slurm: slurm  ## The workflow through a SLURM cluster that the tests bring up on this machine
	$(BIN)/python -m pytest -m slurm

slurm: $(VENV)/.slurm  ## What `snakemake --profile profiles/slurm` needs besides

bench: $(SETUP)  ## Costs and ratios, printed and written to benchmarks/latest.json
	$(BIN)/python benchmarks/run.py

error-rates: $(SETUP)  ## How often each test errs, as in docs/statistics.md (some hours)
	$(BIN)/python benchmarks/error_rates.py
	$(BIN)/python benchmarks/error_rates_maps.py
	$(BIN)/python benchmarks/interval_coverage.py

docs: $(SETUP)  ## config/README.md and docs/outputs.md from their descriptions
	$(BIN)/python scripts/crossfc reference

# A warning (a link or an anchor that leads nowhere, a page that is in no menu) is a failure.
site: $(SITE)/.complete  ## README.md and docs/ as a website in site/, which asks no other host for anything
	$(SITE)/bin/mkdocs build --quiet --clean --strict

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	PYTHONPATH=scripts $(BIN)/lint-imports --no-logo
	$(BIN)/snakemake --lint

lock:  ## After a change of pyproject.toml: uv.lock, and the same for people without uv
	uv lock
	uv export --quiet --frozen --group dev --no-emit-project -o requirements.lock
	uv export --quiet --frozen --group dev --group slurm --no-emit-project -o requirements-slurm.lock
	uv export --quiet --frozen --only-group docs --no-emit-project -o requirements-docs.lock

# uv where there is one, else pip with the hashes of the same lock.
$(SETUP): pyproject.toml uv.lock requirements.lock
	@if command -v uv >/dev/null; then uv sync --frozen --group dev; \
	else python=$$(command -v $(PYTHON) || command -v python3); \
	  $$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	    { echo "crossfc needs Python 3.11; this is $$($$python --version). Install uv, which brings its own, or set PYTHON=."; exit 1; }; \
	  $$python -m venv $(VENV) && $(BIN)/pip install --quiet --require-hashes -r requirements.lock; fi
	@touch $@

# The executor says that it needs a newer numpy than all else allows, and does not (pyproject.toml);
# the lock has settled it, so pip must not ask again.
$(VENV)/.slurm: $(SETUP) requirements-slurm.lock
	@if command -v uv >/dev/null; then uv sync --frozen --group dev --group slurm; \
	else $(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-slurm.lock; fi
	@touch $@

# An environment of its own, which no study needs.
$(SITE)/.complete: pyproject.toml uv.lock requirements-docs.lock
	@if command -v uv >/dev/null; then UV_PROJECT_ENVIRONMENT=$(SITE) uv sync --frozen --only-group docs; \
	else python=$$(command -v $(PYTHON) || command -v python3); \
	  $$python -m venv $(SITE) && $(SITE)/bin/pip install --quiet --require-hashes -r requirements-docs.lock; fi
	@touch $@

clean:
	rm -rf $(VENV) $(SITE) site .snakemake
