# `make test` is the whole truth: it installs what it needs and runs everything.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GO ?= go
export CGO_ENABLED := 1
# PC/SC needs libpcsclite; without the tag everything builds without it.
export GOFLAGS := -tags=pcsc

# Debian packages, and a file that each of them brings.
NEEDS := gcc:/usr/bin/gcc zbar-tools:/usr/bin/zbarimg qemu-system-arm:/usr/bin/qemu-system-aarch64 \
	gcc-aarch64-linux-gnu:/usr/bin/aarch64-linux-gnu-gcc libc6-dev-arm64-cross:/usr/aarch64-linux-gnu/lib/libc.a \
	pkg-config:/usr/bin/pkg-config libpcsclite-dev:/usr/include/PCSC/winscard.h pcscd:/usr/sbin/pcscd \
	vsmartcard-vpcd:/etc/reader.conf.d/vpcd systemd:/usr/bin/systemd-analyze \
	mosquitto:/usr/sbin/mosquitto iproute2:/usr/sbin/ip openssl:/usr/bin/openssl postgresql:/usr/lib/postgresql

# Packages whose goroutines share something.
RACE := ./cmd/internal/brokers ./cmd/internal/folder ./cmd/internal/gateway ./edge/... ./hw/... ./sync/...

FUZZTIME ?= 1m

.PHONY: build test setup lint unit simulate race soak fuzz bench clean

build: ## bin/tombolo, bin/tombolod and bin/tombolo-hub
	$(GO) build -o bin/ ./cmd/tombolo ./cmd/tombolod ./cmd/tombolo-hub

test: setup lint unit simulate race ## everything that CI runs

setup:
	@missing=(); for need in $(NEEDS); do [ -e "$${need#*:}" ] || missing+=("$${need%%:*}"); done; \
	command -v node >/dev/null || missing+=(nodejs); command -v npm >/dev/null || missing+=(npm); \
	if [ $${#missing[@]} -gt 0 ]; then \
		echo "installing $${missing[*]}"; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
	fi
	$(GO) mod download

lint:
	@unformatted=$$(gofmt -l cmd edge firmware hw passport sync); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) mod verify >/dev/null
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

unit: ## unit, property, vectors, fuzz seeds, end to end, emulated board
	$(GO) test -count=1 -timeout 20m ./...

# One seed again, with all that happens in it: -sim.seed=N in place of -sim.for.
simulate: ## as many seeded worlds of gateways, desks and a hub as four minutes allow
	$(GO) test -count=1 -timeout 20m -run '^TestSimulation$$' -v ./sync/replica -sim.for 4m

race:
	$(GO) test -count=1 -timeout 20m -race $(RACE)

# By default an input of some KB that reaches something new is made smaller for a
# minute, in which nothing else is tried.
fuzz: ## every fuzzer for FUZZTIME each
	@for package in $$($(GO) list ./...); do \
		for fuzzer in $$($(GO) test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			echo "$$package $$fuzzer"; \
			$(GO) test -run '^$$' -fuzz "^$$fuzzer\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$package" || exit 1; \
		done; \
	done

soak: ## what takes longer: every mutant of the cores has to be caught; 10,000 worlds; the Pi 3's kernel; kills by the hundred
	$(GO) test -count=1 -timeout 1h -tags pcsc,soak -run '^TestMutants$$' ./edge/panel
	$(GO) test -count=1 -timeout 2h -tags pcsc,soak -run 'Mutants$$' -v ./sync/replica
	$(GO) test -count=1 -timeout 20m -tags pcsc,soak -run '^TestCluster(Quorum|All)$$' -v ./cmd/internal/brokers
	$(GO) test -count=1 -timeout 8h -run '^TestSimulation$$' -v ./sync/replica -sim.seeds 10000
	$(GO) test -count=1 -timeout 20m -tags pcsc,soak -run '^TestRaspi$$' -v ./firmware
	TOMBOLO_KILLS=200 $(GO) test -count=1 -timeout 1h -run TestKilled -v ./cmd/tombolod
	TOMBOLO_KILLS=100 $(GO) test -count=1 -timeout 1h -run Kill -v ./sync/hub

bench: ## one line a figure: name, measured, target, pass or miss
	$(GO) run ./cmd/internal/bench

clean:
	rm -rf bin testdata/viem/node_modules
