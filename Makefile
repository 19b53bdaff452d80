# make demo    shows a failover on this machine        make test    builds and runs every test
# make docs    runs the commands of docs/getting-started.md and docs/operations.md
# make bench   measures failovers beside PostgreSQL alone (ROUNDS=10 ONLY=switchover,... PATRONI=1)
# make bench-rest  measures the REST API beside Patroni's
# make bench-idle  measures what an agent costs at rest, beside Patroni
# make bench-zones measures a mesh of three zones and its failovers
# make bench-core  measures decisions by themselves and the simulation (ARGS='--filter decideMesh')
# make deb     packs a Debian package                 make deb-test  tries it with systemd, in a container (as root)
# make compose runs docker/compose*.yml and breaks them
# make format  formats the sources in place            make clean   removes what was built
SHELL := /bin/bash
CONFIGURATION := --configuration .swift-format
SOURCES := Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources

.PHONY: demo test docs build deb deb-test deps reap bench bench-rest bench-idle bench-zones bench-core compose format lint \
	sanitize clean

demo: deps reap $(if $(AGENT_COMMAND),,build)
	@scripts/demo

test: deps reap build
	@scripts/test $(ARGS)

docs: deps build
	@scripts/run-docs docs/getting-started.md docs/operations.md

build: deps
	@scripts/quietly "Building the agent (some minutes the first time)" swift build -c release --product matriarch
	@scripts/quietly "Building the command line" swift build -c release --product matriarchctl
	@scripts/quietly "Building the keeper" swift build -c release --product matriarch-keeper

deb: build
	@scripts/deb

deb-test: deb
	@scripts/deb-test

deps:
	@scripts/deps

reap: deps .build/reap

bench: deps reap build
	@scripts/bench

bench-rest: deps reap build
	@scripts/bench-rest

bench-idle: deps reap build
	@scripts/bench-idle

.build/reap: scripts/reap.c
	@mkdir -p .build
	@cc -std=gnu11 -O2 -Wall -Wextra -Werror -o $@ $<

bench-zones: deps reap build
	@scripts/test --filter '^Benchmarks\.ZoneBenchmark/'

bench-core: deps
	@scripts/bench-core $(ARGS)

compose: deps build
	@scripts/compose-test $(ARGS)

format:
	@swift format format $(CONFIGURATION) --in-place --parallel --recursive $(SOURCES)

lint:
	@swift format lint $(CONFIGURATION) --strict --parallel --recursive $(SOURCES)
	@scripts/prove-docs
	@scripts/check-docs

sanitize: deps reap
	@scripts/sanitize

clean:
	@rm -rf .build .build-tsan Benchmarks/.build
