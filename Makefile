# make demo    everything at work, on a throw-away Postgres
# make test    everything that a change must pass

# Where rustup puts cargo; a shell that has not been restarted since does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO ?= cargo
DENY  := $(CARGO) deny --config .deny.toml check

.DEFAULT_GOAL := help
.PHONY: help setup demo build test test-client test-storefront test-browser test-matrix conformance audit soak bench-write bench-load bench-deaf bench-storm bench-slowloris bench-recovery

help: ## Lists what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## Installs what building and testing need and this machine lacks
	@scripts/setup

# Makes the shop's pages anew where their sources have changed: in a second make, because what Node needs comes first.
demo: ## Shop, traffic, daemon and pages; DATABASE_URL puts the shop there. Ctrl-C ends it
	@scripts/setup rust postgres node
	@$(MAKE) --no-print-directory $(STOREFRONT)/dist
	$(CARGO) run --locked --profile fast --quiet -- demo $(DEMO_FLAGS)

build: setup ## The release binary, target/release/pgbell
	$(CARGO) build --locked --release

test: setup test-rust test-client test-storefront test-browser ## Format, lints, documentation, every test, licences

.PHONY: test-rust
test-rust: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --features sabotage -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps
	$(CARGO) test --locked --features sabotage
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	    $(DENY) bans licenses sources; \
	else \
	    echo 'licences were not checked: cargo install --locked cargo-deny'; \
	fi

# Installed anew where a lock file has changed.
%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --silent
	@touch $@

client/dist: client/node_modules/.package-lock.json $(shell find client/src client/scripts -type f)
	cd client && npm run build --silent
	@touch $@

STOREFRONT := examples/storefront

$(STOREFRONT)/dist: $(STOREFRONT)/node_modules/.package-lock.json client/dist $(shell find $(STOREFRONT)/src -type f)
	cd $(STOREFRONT) && npm run build --silent
	@touch $@

test-client: setup client/dist ## The browser client in Node, its types and sizes
	cd client && npm test --silent

test-storefront: setup client/dist $(STOREFRONT)/node_modules/.package-lock.json
	cd $(STOREFRONT) && npm test --silent

test-browser: setup $(STOREFRONT)/dist tests/browser/node_modules/.package-lock.json ## In real browsers: client, bindings, storefront
	$(CARGO) build --locked --features sabotage
	cd tests/browser && npm test --silent

MATRIX ?= 14 15 16 17 18

test-matrix: setup ## Integration tests on PostgreSQL MATRIX="14 15 16 17 18"; TESTS="cases" runs some
	MATRIX="$(MATRIX)" scripts/test-matrix $(TESTS)

conformance: setup ## RFC 6455 with Autobahn's fuzzing client; CASES="6.* 9.3.*" runs some; four minutes
	scripts/conformance $(CASES)

MINUTES ?= 30
FUZZ_MINUTES ?= 2
ABUSE_MINUTES ?= 2
CHURN_MINUTES ?= 2

soak: setup ## Fuzz targets, abuse and changing rights for FUZZ_MINUTES=2, ABUSE_MINUTES=2, CHURN_MINUTES=2, the oracle for MINUTES=30; ORACLE_SEED=n runs one again
	FUZZ_MINUTES=$(FUZZ_MINUTES) $(CARGO) test --locked --features sabotage --test integration \
	    fuzzing::soak -- --ignored --exact --nocapture
	ABUSE_MINUTES=$(ABUSE_MINUTES) $(CARGO) test --locked --features sabotage --test integration \
	    edge::abuse::soak -- --ignored --exact --nocapture
	CHURN_MINUTES=$(CHURN_MINUTES) $(CARGO) test --locked --features sabotage --test integration \
	    access::churn::soak -- --ignored --exact --nocapture
	ORACLE_MINUTES=$(MINUTES) $(CARGO) test --locked --features sabotage --test integration \
	    oracle::soak -- --ignored --exact --nocapture

# Known vulnerabilities are looked up on the internet, and new ones appear without any change here:
# that is why this is not a part of `make test`.
audit: ## Licences, sources and known vulnerabilities of all dependencies
	$(DENY)
	for package in client $(STOREFRONT) tests/browser; do (cd $$package && npm audit) || exit; done

bench-write: setup ## What triggers and doorbell cost the write path, measured with pgbench
	benches/write-path/run.sh

bench-load: setup ## What delivery costs: latency, CPU beside a bare write, memory; two minutes
	$(CARGO) bench --locked --profile fast --bench load --quiet

bench-recovery: setup ## How soon clients are live after kill -9 of Postgres or the daemon; two minutes
	$(CARGO) test --locked --features sabotage --test integration \
	    oracle::recovery -- --ignored --exact --nocapture

bench-deaf: setup ## What clients that never read cost those that do; a minute
	$(CARGO) bench --locked --profile fast --bench load --quiet -- --deaf

bench-storm: setup ## What 10,000 clients that come back at once cost; half a minute
	$(CARGO) bench --locked --profile fast --bench load --quiet -- --storm

bench-slowloris: setup ## What 2,000 sockets that drip their requests cost those who connect; a minute
	$(CARGO) bench --locked --profile fast --bench load --quiet -- --slowloris
