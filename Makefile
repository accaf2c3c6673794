# Everything that one does with Inkstream, by name: `make help`.
# Expected: make, and Node.js 20 or newer with npm. The Node that runs Inkstream is installed beside the other packages.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

system_path := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

installed := node_modules/.ready
pages := services/pages/dist/index.html
pages_sources := $(shell find services/pages -type f -not -path '*/dist/*' 2>/dev/null) $(shell find shared/wire -type f 2>/dev/null)

.PHONY: help
help: ## what there is
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

.PHONY: run
run: $(installed) $(pages) ## set up, and run standalone on http://127.0.0.1:8080
	@exec node services/standalone/main.ts

.PHONY: up
up: $(installed) $(pages) ## a local cluster: Kafka, MongoDB, two gateways, a persister, a changefeed, and HAProxy where it is found
	@exec node deploy/cluster.ts up

.PHONY: down
down: $(installed) ## end the local cluster; its data (.local/cluster) stays
	@exec node deploy/cluster.ts down

.PHONY: test
test: $(installed) $(pages) ## run every test that this machine can run, and say what was left out
	@node deploy/native/fetch.ts
	@exec vitest run

.PHONY: chaos
chaos: $(installed) $(pages) ## faults in a cluster, and long simulations, for a quarter of an hour (CHAOS_ROUNDS, CHAOS_SEED)
	@node deploy/native/fetch.ts
	@exec vitest run --config test/chaos/vitest.config.ts --root .

.PHONY: check check-types check-lint check-format check-dead-code
check: check-types check-lint check-format check-dead-code ## types, lint, format, dead code

check-types: $(installed)
	@echo 'types' && tsc && tsc -p services/pages && tsc -p services/pages/service-worker

check-lint: $(installed)
	@echo 'lint' && oxlint

check-format: $(installed)
	@echo 'format' && oxfmt --check

check-dead-code: $(installed)
	@echo 'dead code' && knip

.PHONY: bench
bench: $(installed) $(pages) ## measure Inkstream beside its peers (some minutes)
	@exec node test/bench/main.ts

.PHONY: pages
pages: $(pages) ## build what a browser is served

.PHONY: format
format: $(installed) ## format all files in place
	@oxfmt

.PHONY: readme
readme: $(installed) ## write the README's table of settings from the code
	@node test/harness/settings-table.ts

.PHONY: clean
clean: ## remove what was built and installed; documents (.local/data, .local/cluster) stay
	rm -rf services/pages/dist .local/test-report.json node_modules

$(pages): $(pages_sources) | $(installed)
	@vite build --logLevel warn services/pages && touch $@

# npm runs on the system's Node here: the one beside the packages is what it is about to replace.
$(installed): export PATH := $(system_path)
$(installed): package-lock.json
	@command -v npm >/dev/null && command -v node >/dev/null || { echo 'Inkstream needs Node.js 20 or newer with npm; there is none on the PATH.' >&2; exit 1; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || { echo "Inkstream needs Node.js 20 or newer; this is $$(node --version)." >&2; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
