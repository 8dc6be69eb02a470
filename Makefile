# What people and CI call. Everything that is needed beyond Rust, Go and Python is installed or built on the way.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# How many e2e cases wait at the same time: they wait far more than they compute.
CASES_AT_A_TIME ?= 6
# ExternalSecrets of `make bench`.
N ?= 5000
# Which of its rows, by parts of their names; empty: all.
ROWS ?=
# Where it puts its figures, one JSON object a line.
BENCH_JSON := target/bench.jsonl
# How long each test of `make fuzz` runs.
FUZZ_SECONDS ?= 60

TESTBED := target/release/testbed

.PHONY: help
help: ## Show this.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build all programs, optimised, into target/release.
	cargo build --release --workspace --bins

.PHONY: deps
deps: ## Build the test control plane and helm, and install OpenBao and moto, once for this machine.
	@e2e/deps.sh backends >/dev/null & backends=$$!; e2e/deps.sh controlplane >/dev/null; e2e/deps.sh helm >/dev/null; wait $$backends

# The control plane takes minutes of Go, the programs minutes of Rust: side by side on a fresh machine.
.PHONY: test-programs
test-programs:
	@$(MAKE) deps & deps=$$!; cargo build --workspace --bins; wait $$deps

.PHONY: test
test: test-programs ## Run all tests: unit, shared corpora, end to end on a real control plane.
	RUST_TEST_THREADS=$(CASES_AT_A_TIME) cargo test --workspace --no-fail-fast

.PHONY: test-unit
test-unit: ## Run what needs no cluster.
	cargo test --workspace --exclude e2e

.PHONY: test-e2e
test-e2e: test-programs ## Run the end-to-end tests only.
	RUST_TEST_THREADS=$(CASES_AT_A_TIME) cargo test -p e2e --no-fail-fast

.PHONY: check
check: check-quick deny docs test ## Everything that CI holds a change to, and more: format, lints, licences, docs, generated files, tests.

.PHONY: check-quick
check-quick: fmt clippy check-generated

.PHONY: fmt
fmt:
	cargo fmt --all --check

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: deny
deny:
	@if ! cargo deny --version >/dev/null 2>&1 && [ "$${CHECK_DENY:-}" = 1 ]; then cargo install cargo-deny --locked; fi
	@if cargo deny --version >/dev/null 2>&1; then \
	  cargo deny --all-features check --hide-inclusion-graph bans licenses sources; \
	else echo "cargo-deny isn't installed: licences and sources are not checked (CHECK_DENY=1 installs it)"; fi

.PHONY: docs
docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

.PHONY: generate
generate: ## Write the generated manifests anew.
	manifests/generate.sh

.PHONY: check-generated
check-generated:
	@made=$$(mktemp -d); trap 'rm -rf $$made' EXIT; \
	manifests/generate.sh $$made && for it in crds chart install/install.yaml; do diff -ru manifests/$$it $$made/$$it || exit 1; done || \
	{ echo "manifests differs from what the types and the chart say: run make generate"; exit 1; }

# As test-programs, optimised.
.PHONY: release-programs
release-programs:
	@$(MAKE) deps & deps=$$!; $(MAKE) build; wait $$deps

.PHONY: demo
demo: release-programs ## Show what it does on a real cluster; KEEP=1 leaves that running.
	$(TESTBED) demo $(if $(filter 1,$(KEEP)),--keep)

.PHONY: cluster
cluster: release-programs ## Leave a cluster with controller and webhook running; BACKENDS=1 adds OpenBao and moto.
	$(TESTBED) cluster up $(if $(filter 1,$(BACKENDS)),--backends)

.PHONY: cluster-down
cluster-down: ## End the clusters of `make cluster` and `make demo KEEP=1`.
	@if [ -x $(TESTBED) ]; then $(TESTBED) cluster down; else echo "No cluster is running."; fi

.PHONY: bench
bench: release-programs ## Measure the controller with N=5000 ExternalSecrets; ROWS=cold,storm measures only these.
	$(TESTBED) bench --objects=$(N) $(if $(ROWS),--rows=$(ROWS)) --json=$(BENCH_JSON) $(BENCH_ARGS)

.PHONY: bench-all
bench-all: BENCH_ARGS += --cold-objects=1000,20000
bench-all: bench ## The same, and cold starts with 1,000 and 20,000.

.PHONY: bench-chart
bench-chart: ## Draw the last measurement's cold starts into docs/performance.svg.
	$(TESTBED) bench-chart $(BENCH_JSON) docs/performance.svg

.PHONY: bench-webhook
bench-webhook: release-programs ## Measure a million reviews by the webhook, with wrk if it is installed.
	cargo build --profile dist-webhook -p webhook --bin webhook
	ln -f $(TESTBED) $(dir $(TESTBED))guard target/dist-webhook/
	target/dist-webhook/testbed bench-webhook $(BENCH_ARGS)

.PHONY: bench-template
bench-template: ## Measure the template engine, beside Go's if Go is installed.
	@rust=$$(cargo bench --quiet -p template --bench render -- --quiet); go=; \
	if command -v go >/dev/null; then \
	  program=$$(mktemp); trap 'rm -f $$program' EXIT; \
	  (cd e2e/gotemplate && go build -o $$program .) && go=$$($$program bench shared/template/benches/settings.tmpl); \
	else echo "Go isn't installed: there is nothing to compare with"; fi; \
	printf '%s\n%s\n' "$$rust" "$$go" | awk -f shared/template/benches/table.awk

.PHONY: fuzz
fuzz: ## Damage reviews, templates, YAML and patterns for FUZZ_SECONDS=60 each.
	FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test -p webhook -p template -p goyaml -p goregexp --test fuzz

.PHONY: clean
clean: cluster-down ## Remove what was built here. The control plane stays in its cache.
	cargo clean
