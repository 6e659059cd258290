# The ways to run the CRM; `make` alone lists them. Needs Python 3.11 or newer, and nothing else.

VENV := .venv
PY := $(VENV)/bin/python
# The first of these that is new enough makes the virtual environment; PYTHON=/path/to/python decides otherwise.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
# Only errors are of interest: what pip warns of is this machine's own affair.
PIP := $(PY) -m pip --quiet --quiet --disable-pip-version-check --no-input install --no-compile --require-hashes
# uv takes a fraction of pip's time; where it has no build, or only pip knows the mirror, pip goes on.
INSTALL = $(PY) -m uv pip install --quiet --python $(PY) --require-hashes --requirement $(1) 2>/dev/null \
	|| $(PIP) --requirement $(1)

TEMPLATES := $(wildcard */templates)
# One more than the two cores of a small machine, because tests also wait: for disks, servers and browsers.
TEST_PROCESSES := 3

# Python compiles a module once and keeps the result, also where the environment forbids it: each of the many
# processes that `demo` and `test` start would compile all modules anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo run worker test thorough lint bench lock audit clean fresh

help: ## List these targets.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

# The system checks are left to `serve`.
demo: $(VENV)/.runtime ## Run the whole CRM with demo data: database, one worker, web server (PORT=8000).
	@$(PY) manage.py migrate --verbosity 0 --skip-checks
	@$(PY) manage.py demo --skip-checks
	@exec $(PY) manage.py serve

run: $(VENV)/.runtime ## Run the web server only.
	@exec $(PY) manage.py serve --no-worker

worker: $(VENV)/.runtime ## Run one worker more.
	@exec $(PY) manage.py worker

test: lint ## Run every check and every test.
	@exec $(PY) -m pytest -n $(TEST_PROCESSES) --dist worksteal

thorough: $(VENV)/.dev ## Run the property tests with three times as many examples as `make test`.
	@exec $(PY) -m pytest -n $(TEST_PROCESSES) --dist worksteal -p tests.examples -m hypothesis --hypothesis-profile=thorough

lint: $(VENV)/.dev ## Run the linters and check that code and templates are formatted.
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/djlint --quiet --lint .
	$(VENV)/bin/djhtml --tabwidth 2 --check $(TEMPLATES)

bench: $(VENV)/.dev ## Measure against the bars of the design.
	@exec $(PY) -m bench

lock: $(VENV)/.dev ## Write the requirements anew from pyproject.toml, every version pinned with its hashes.
	$(call COMPILE,requirements.txt,pyproject.toml)
	$(call COMPILE,requirements-dev.txt,--extra dev --constraint requirements.txt pyproject.toml)
	@echo uv | $(call COMPILE,requirements-uv.txt,--constraint requirements-dev.txt -)
	@echo pip-audit | $(call COMPILE,requirements-audit.txt,--constraint requirements-dev.txt -)

audit: $(VENV)/.dev ## Check every pinned package for known vulnerabilities, where advisories can be had.
	@$(PY) -m bench.audit

clean: ## Remove what the targets above make, except the data in .data.
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis static_collected

# For every platform and every Python from 3.11 on; nothing of the machine that it runs on gets into the file.
COMPILE = $(PY) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --output-file $(1) $(2)

# A virtual environment that is missing, or whose Python has gone, is made afresh.
ifneq ($(shell $(PY) -c '$(RECENT)' 2>/dev/null && echo usable),usable)
MISSING := fresh
endif

fresh:
	@for python in $(PYTHON); do \
		if command -v $$python >/dev/null 2>&1 && $$python -c '$(RECENT)' 2>/dev/null; then break; fi; python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer is needed, and none of these is: $(PYTHON)." >&2; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "This Python cannot make virtual environments: on Debian or Ubuntu, apt install python3-venv." >&2; exit 1; \
	fi; \
	$$python -m venv --clear $(VENV)

$(VENV)/.runtime: requirements.txt requirements-uv.txt $(MISSING)
	@echo "Installing what the CRM needs."
	@$(PIP) --only-binary uv --requirement requirements-uv.txt 2>/dev/null || true
	@$(call INSTALL,requirements.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "Installing what the tests need."
	@$(call INSTALL,requirements-dev.txt)
	@touch $@
