# The few commands of the project. Each sets up what it needs in .venv; on a fresh machine only Python 3.11+,
# make and a package index are wanted. The dashboard and the TypeScript client are built where npm is found.

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
COMPILE := $(BIN)/pip-compile -q --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --generate-hashes --strip-extras --upgrade
CLIENTS := $(patsubst requirements/clients/%.in,.clients/%/.installed,$(wildcard requirements/clients/*.in))
npm = $(if $(shell command -v npm),npm --silent $(1),@echo "no npm here: the dashboard and the TypeScript client are left out")
PAGE := src/tickwire/page/index.html
COMPILED := .compiled/.built

.PHONY: demo test test-compiled check compiled wheel browser recorded clients crash bots simulate autobahn fuzz bench hostile schemas soak format lock clean

demo: $(VENV)/.run $(PAGE)  ## a server with the built-in market on port 8000
	$(BIN)/tickwire serve --data-dir data

test: $(VENV)/.dev $(CLIENTS) $(PAGE)  ## every test
	$(call npm,test)
	$(PYTEST) -n 2 --dist worksteal

check: $(VENV)/.dev node_modules/.installed  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(call npm,run check)

compiled: $(COMPILED)  ## the hot modules as machine code, in a copy of the package in .compiled; see docs/decisions/0014-compiled.md

test-compiled: $(COMPILED)  ## the tests of the core, on the compiled copy
	$(PYTEST) -n 2 -o "pythonpath=.compiled . tests" -m "not interpreted" tests/unit tests/contract tests/property

browser: $(VENV)/.dev $(PAGE)  ## the dashboard in Chromium, on a real server; MINUTES lets the search for leaks take longer
	$(PYTEST) tests/browser -n 2

wheel: $(VENV)/.dev node_modules/.installed  ## what is published, into dist: the server with the dashboard, and the client for npm
	npm --silent run build
	$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w dist .
	npm --silent pack --workspace clients/typescript --pack-destination dist

recorded: $(VENV)/.dev  ## recorded data of real venues through the whole system; TICKWIRE_DATA names its folder
	$(PYTEST) tests/recorded -n 2 -rs

clients: $(VENV)/.dev $(CLIENTS)  ## other people's clients, unmodified, against a server; each in an environment of its own
	$(PYTEST) tests/clients -n 2

crash: $(VENV)/.dev  ## kill a trading server 200 times, anywhere; CRASHES names another number
	CRASHES=$(or $(CRASHES),200) $(PYTEST) tests/crash -n 2

simulate: $(VENV)/.dev  ## server, clients and a faulty network in one process; SEEDS names another number, SEED one to replay
	PYTHONPATH=tests $(BIN)/python -m simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000))

bots: $(VENV)/.dev  ## two bots trade with each other for 60 seconds, and all books agree; SECONDS names another number
	SECONDS=$(or $(SECONDS),60) $(PYTEST) tests/bots -s

autobahn: $(VENV)/.dev  ## the Autobahn test suite, server and client, into docs/autobahn.md; it needs Python 2.7
	cd tests && CASES="$(CASES)" ../$(BIN)/python -m autobahn

fuzz: $(VENV)/.dev  ## bytes from outside, new ones, for every parser 60 seconds; SECONDS and PARSERS name others
	cd tests && SECONDS=$(or $(SECONDS),60) ../$(BIN)/python -m fuzz $(PARSERS)

bench: $(VENV)/.dev $(CLIENTS) $(PAGE) $(COMPILED)  ## every benchmark, into docs/benchmarks.md; `make bench-NAME` runs one and keeps nothing
	$(BIN)/python -m benchmarks all --results docs/benchmarks
	$(BIN)/python -m benchmarks page

bench-%: $(VENV)/.dev $(CLIENTS) $(PAGE) $(COMPILED)
	$(BIN)/python -m benchmarks $*

hostile: $(VENV)/.dev  ## attacks on a real server with its real limits, and a crowd of 1,000; `make test` has a short version
	HOSTILE=full $(PYTEST) tests/hostile -s -rs

schemas: $(VENV)/.dev node_modules/.installed  ## a server does what its OpenAPI and AsyncAPI documents say, at length; EXAMPLES names their number
	EXAMPLES=$(or $(EXAMPLES),200) $(PYTEST) tests/integration/test_openapi.py tests/integration/test_asyncapi.py -s

soak: $(VENV)/.dev  ## 500 clients that come and go for 30 minutes, and nothing is lost or leaks; MINUTES names another number
	$(BIN)/python benchmarks/soak.py --minutes $(or $(MINUTES),30)

format: $(VENV)/.dev node_modules/.installed  ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(call npm,run format)

lock: $(VENV)/.dev  ## pin the newest versions that pyproject.toml and requirements/clients allow, with hashes
	$(COMPILE) -o requirements/run.txt pyproject.toml
	$(COMPILE) -c requirements/run.txt -o requirements/dev.txt --extra dev --allow-unsafe pyproject.toml
	for client in requirements/clients/*.in; do $(COMPILE) --allow-unsafe -o $${client%.in}.txt $$client || exit 1; done

clean:
	rm -rf $(VENV) .clients .compiled node_modules dist src/tickwire/page .autobahn .mypy_cache .ruff_cache .pytest_cache .hypothesis

# ---- environments: one stamp for each set of requirements -------------------------------------------

$(VENV)/bin/python:
	python3 -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

$(COMPILED): pyproject.toml $(shell find src -name '*.py') | $(VENV)/.dev  # from an sdist: the compiler writes beside what it compiles
	rm -rf .compiled
	$(BIN)/python -m hatchling build -t sdist -d .compiled/sdist
	HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --target .compiled .compiled/sdist/*.tar.gz
	touch $@

.clients/%/.installed: requirements/clients/%.txt | $(VENV)/.dev
	python3 -m venv --clear --without-pip .clients/$*
	$(BIN)/python -m pip --python .clients/$*/bin/python install -q --disable-pip-version-check --require-hashes -r $<
	touch $@

node_modules/.installed: package-lock.json
	$(call npm,ci --ignore-scripts && touch $@ || echo "npm can't install what the dashboard is built with")

$(PAGE): node_modules/.installed $(shell find dashboard clients/typescript/src -type f)
	$(call npm,run build || echo "the dashboard can't be built; the server does without it")
