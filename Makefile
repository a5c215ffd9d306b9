# Every target here installs what it needs first: a second call finds it there. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run unit test real day0 a11y fuzz mutants thousand lint types check bench pictures format lock clean ready-run ready-test ready-lint ready-real

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
# Hundreds of processes load the same modules during the tests: what was compiled once is kept, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
# One installation at a time, even if two targets are started at once. (-o: a daemon that apt starts must not keep the lock.)
LOCKED := $(if $(shell command -v flock),flock -o .venv.lock)
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra server --extra client

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

run: ready-run ## Start everything with a demo school on http://127.0.0.1:8080 (PORT=…; HOST=192.168.… for a phone in the same network)
	@$(if $(PORT),QIANDA_PORT='$(PORT)') $(if $(HOST),QIANDA_HOST='$(HOST)') exec $(BIN)/qianda demo

unit: ready-test ## Run the tests of decisions, without a database, in seconds (ARGS=…)
	@$(BIN)/python -m pytest tests/unit -m 'not real' $(ARGS)

test: ready-test ## Run all tests but the slow ones (ARGS=… goes to pytest)
	@# One process more than two processors: tests also wait, for a browser or for a program to end.
	@$(PYTEST) -n 3 -m 'not real' --durations=40 --durations-min=3 $(ARGS)

real: ready-real ## Run the slow proofs with outside peers
	@$(PYTEST) -n 3 -m real --durations=40 --durations-min=10 -o faulthandler_timeout=1800 $(ARGS) || { code=$$?; [ $$code -eq 5 ] && echo 'No test is marked real.' || exit $$code; }

day0: ready-real ## Play the first day of a school: the wheel, a server PostgreSQL, an outside seal certificate, one contract
	@$(PYTEST) -n 0 -m real -o faulthandler_timeout=1800 tests/day0/test_first_day.py $(ARGS)

a11y: ready-real ## Look at every page with axe-core, in both languages, colours and widths (QIANDA_SCREENSHOTS=folder keeps pictures)
	@$(BIN)/python -m tests.a11y

mutants: ready-test ## Break guards one at a time and see that tests notice (JOBS=…; ARGS='--only sign')
	@$(BIN)/python -m tests.mutants $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

fuzz: ready-test ## Fuzz the verifier, guided by coverage (SECONDS=1800)
	@$(BIN)/python -m tests.fuzz.verifier $(or $(SECONDS),1800) tests/.artifacts/fuzz

thousand: ready-real ## Make many finished contracts and have every judge look at each (COUNT=1000)
	@$(BIN)/python -m tests.thousand $(or $(COUNT),1000) $(ARGS)

lint: ready-lint ## Check style and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@node_modules/.bin/eslint --max-warnings 0 .

types: ready-lint ## Check types (mypy and tsc, strict)
	@$(BIN)/mypy
	@node_modules/.bin/tsc

check: lint types test ## Run lint, types and test

bench: ready-test ## Measure (NAME=… for one bench only)
	@$(BIN)/qianda bench $(or $(NAME),all)

pictures: ready-test ## Take the pictures of the README anew
	@$(BIN)/python -m tests.browser.pictures

format: ready-test ## Lay out the code as ruff does
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## Renew the locked dependencies; needs uv and npm on the PATH
	$(LOCK) pyproject.toml --output-file requirements/server.txt
	$(LOCK) --group dev pyproject.toml --output-file requirements/dev.txt
	npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

clean: ## Remove what make made (.venv, node_modules and caches), never the data folder
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache node_modules build *.egg-info

ready-run:
	@$(LOCKED) install/system.sh run
	@$(LOCKED) install/python.sh server

ready-test:
	@$(LOCKED) install/system.sh test
	@$(LOCKED) install/python.sh dev

ready-lint: ready-test
	@$(LOCKED) install/node.sh

ready-real:
	@$(LOCKED) install/system.sh real
	@$(LOCKED) install/python.sh dev
	@$(LOCKED) install/node.sh
