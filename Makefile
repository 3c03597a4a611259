# The two commands are `make run` and `make test`; they need Node >= 20, npm and make, and nothing else.
# npm scripts run with node_modules/.bin first on the PATH, and so with the Node that package-lock.json pins.

sources := $(shell find src -not -name '*.md') $(wildcard tsconfig*.json) package.json package-lock.json
compiled := dist/.compiled

.PHONY: help install build run test verify fix generate bench soak mutations clean

help:
	@echo "make run       build, then start a local cluster of three members; Ctrl-C stops it"
	@echo "make test      build, then every check and every test"
	@echo "make build     install and compile"
	@echo "make verify    the checks that only read: format, lint, types, schemas, generated code, documents"
	@echo "make fix       format and mend what the linters can"
	@echo "make generate  stubs and descriptors from proto/"
	@echo "make soak      simulate clusters with fresh seeds for MINUTES (10) minutes, JOBS (2) at a time"
	@echo "make mutations make small faults, one at a time, and see that the tests notice each"
	@echo "make bench     measure, with KEYS (1000000) keys put into the large stores and RESTORED_KEYS (10000000) restored;"
	@echo "               figures go to bench/results/"
	@echo "make clean     remove what was built and installed"

# Compared by content: a checkout touches the lock without changing it. A linked node_modules belongs to another tree.
install:
	@if [ ! -L node_modules ] && ! cmp -s package-lock.json node_modules/.installed-lock; then \
	  npm ci --no-progress && cp package-lock.json node_modules/.installed-lock; \
	fi

build: $(compiled)

# Folders are among the sources, so that a removed file counts as a change.
$(compiled): $(sources) | install
	@npm run --silent build
	@touch $@

run: build
	@PATH="$(CURDIR)/node_modules/.bin:$$PATH" exec bin/raftkv dev

# Both halves run, whatever the first one says.
test: build
	@npm run --silent verify -- --report .cache/verify.json; verified=$$?; \
	npm run --silent test && exit $$verified

verify: install
	@npm run --silent verify; verified=$$?; \
	npm run --silent test:repository && exit $$verified

fix: install
	@npm run --silent fix

generate: install
	@npm run --silent generate

bench: build
	@npm run --silent bench
	@npm run --silent bench -- --big --keys "$${KEYS:-1000000}"
	@npm run --silent bench -- --big --restored --keys "$${RESTORED_KEYS:-10000000}" --label big-restored

# Fresh seeds every time, and the first of them told, so that a failure can be looked for again. Ctrl-C prints the totals.
soak: install
	@npm run --silent sim -- --start "$${START:-$$(date +%s)}" --minutes "$${MINUTES:-10}" --jobs "$${JOBS:-2}"

# Longer than make test; npm run mutations -- --only 1,5 tries some.
mutations: install
	@npm run --silent mutations

clean:
	rm -rf dist .cache node_modules
