# Every target sets up what it needs by itself (tools/setup.sh): the environment, the dependencies, the compiled core. The
# bench has an environment of its own, with its peers (bench/README.md).
#
#   PYTHON=python3.13   another interpreter, with an environment of its own
#   ARGS='-k timers'    passed on to the program that the target starts

PYTHON ?=
ARGS ?=
UNITS = $(patsubst src/treadle/_native/%.pyx,treadle._native.%,$(sort $(wildcard src/treadle/_native/*.pyx)))

SETUP = env PYTHON='$(PYTHON)' tools/setup.sh
IN_ENVIRONMENT = @venv=$$($(SETUP)) && exec "$$venv/bin/python"

.DEFAULT_GOAL := help
.PHONY: help setup run test model ordering streams-oracle suites http-suites stop bench lint format types stubtest docs fuzz
.PHONY: differential cuts rivals sanitize dist check-dist clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "PYTHON=python3.13 picks another interpreter; ARGS='...' is passed on."

setup: ## environment, dependencies, native core; nothing else
	@$(SETUP) >/dev/null

run: ## the example gateway, and a FastAPI application beside it
	$(IN_ENVIRONMENT) examples/launch.py $(ARGS)

test: ## all tests
	$(IN_ENVIRONMENT) -m pytest $(ARGS)

model: ## random programs on the models of the loop's order and of streams, and on the loop and the streams (tests/model)
	$(IN_ENVIRONMENT) -m pytest -q -o faulthandler_timeout=0 tests/model $(ARGS)

ordering: ## fresh programs recorded with real Node, and run on treadle (some 25 minutes); ARGS='--seed 5 --count 100'
	$(IN_ENVIRONMENT) -m tests.conformance.ordering.fresh $(ARGS)

streams-oracle: ## fresh programs of streams recorded with real Node 24 (some 10 minutes); ARGS='--node NODE24 --seed 5 --count 100'
	$(IN_ENVIRONMENT) -m tests.conformance.streams.fresh $(ARGS)

suites: ## asyncio's, uvloop's, aiohttp's, anyio's, redis' and websockets' own tests on our loop (long; needs the network)
	$(IN_ENVIRONMENT) -m tests.suites.run $(ARGS)

http-suites: ## uvicorn's, granian's and Starlette's own tests against a live server of ours (some 5 minutes; needs the network)
	$(IN_ENVIRONMENT) -m tests.suites.http.run $(ARGS)

stop: ## SIGTERM during 200 downloads, 100 event streams and 50 uploads (a minute)
	@env TREADLE_STOP_SCALE=10 PYTHON='$(PYTHON)' $(MAKE) --no-print-directory test ARGS='-q -k under_load tests/integration/http/test_stopping.py'

bench: ## CPU per request beside the peers, in one run; ARGS=loop: the loop beside its own
	@python=$$($(SETUP) --which) && exec "$$python" bench/run.py $(ARGS)

lint: ## ruff, and the length of lines in Markdown
	$(IN_ENVIRONMENT) -m ruff check $(ARGS) .
	$(IN_ENVIRONMENT) tools/check_lines.py

format: ## ruff's formatter, in place
	$(IN_ENVIRONMENT) -m ruff format $(ARGS) .

types: ## mypy --strict on src, the examples and tests/typed.py
	$(IN_ENVIRONMENT) -m mypy $(ARGS)

stubtest: ## the stubs of the native units against the units themselves
	$(IN_ENVIRONMENT) -m mypy.stubtest --concise --ignore-disjoint-bases --ignore-unused-allowlist \
		--allowlist tools/stubtest_allowlist.txt $(ARGS) $(UNITS)

docs: ## links between the Markdown files, and the programs in them with what they print
	$(IN_ENVIRONMENT) tools/check_docs.py $(ARGS)

fuzz: ## random and mutated byte streams through the server
	$(IN_ENVIRONMENT) fuzz/run.py $(ARGS)

differential: ## mutated byte streams, and what httptools, h11 and Node 20 and 24 make of them (2 minutes; fetches Node 24)
	$(IN_ENVIRONMENT) fuzz/http_differential.py --fetch $(ARGS)

cuts: ## the vectors of malformed requests that are long, cut in two at every boundary (some 20 minutes)
	@venv=$$($(SETUP)) && exec env CUTS=all "$$venv/bin/python" -m pytest -q -o faulthandler_timeout=0 \
		tests/integration/http/test_long_cuts.py $(ARGS)

rivals: ## what other servers answer to the vectors, recorded anew (3 minutes; installs uvicorn, gunicorn, granian and Node 24)
	$(IN_ENVIRONMENT) -m tests.integration.http.record_rivals

sanitize: ## the native core under the address and undefined-behaviour sanitizers: all tests, and random streams
	@env PYTHON='$(PYTHON)' tools/sanitize.sh $(ARGS)

dist: ## source distribution and wheel, in dist/
	$(IN_ENVIRONMENT) -m build $(ARGS)

check-dist: ## whether a wheel built from here installs and serves
	@venv=$$($(SETUP)) && exec tools/check_dist.sh "$$venv/bin/python"

clean: ## everything that was built, the environments included
	rm -rf .venv .venv-* .bench .suites build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	rm -f src/treadle/_native/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
