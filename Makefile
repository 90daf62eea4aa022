# Everything a developer does to Postern. `make help` lists it.

GO         ?= go
# Of a release; empty: the program says which commit it was built from.
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null)
PREFIX     ?= /usr/local
# Packagers install below DESTDIR what will be in PREFIX.
DESTDIR    ?=
LDFLAGS    := -s -w -X main.version=$(VERSION)
TOOLS      := $(CURDIR)/.tools
STATICCHECK_VERSION := v0.8.2
GOFUMPT_VERSION     := v0.12.0

.PHONY: help build install uninstall test check lint crash bench docs messages deps fmt clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## a static, stripped binary: ./postern
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o postern ./cmd/postern

install: build ## postern and its systemd units, below PREFIX (/usr/local)
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/lib/systemd/system'
	install -m 0755 postern '$(DESTDIR)$(PREFIX)/bin/postern'
	for unit in packaging/systemd/*; do \
		sed 's|/usr/bin/postern|$(PREFIX)/bin/postern|g' "$$unit" >'$(DESTDIR)$(PREFIX)/lib/systemd/system/'"$${unit##*/}" || exit 1; \
		chmod 0644 '$(DESTDIR)$(PREFIX)/lib/systemd/system/'"$${unit##*/}" || exit 1; \
	done

uninstall: ## what install has put there
	rm -f '$(DESTDIR)$(PREFIX)/bin/postern'
	for unit in packaging/systemd/*; do rm -f '$(DESTDIR)$(PREFIX)/lib/systemd/system/'"$${unit##*/}"; done

# The race detector does not watch the arithmetic of hashes, signatures and key
# derivations: watched, it takes up to ten times as long. Go's own tests watch it.
UNWATCHED := crypto/internal/fips140/... math/big $(addprefix golang.org/x/crypto/,argon2 blake2b pbkdf2 scrypt)
RACE := -race $(foreach packages,$(UNWATCHED),-gcflags=$(packages)=-race=false)
# Many tests wait, for a disk, a browser or another program: more of them run than there are processors.
CPUS := $(shell getconf _NPROCESSORS_ONLN)
BESIDE := -p $(shell expr $(CPUS) + $(CPUS) / 2) -parallel $(shell expr $(CPUS) \* 2)

test: deps ## every test, with the race detector; installs what is missing when run as root
	$(GO) test $(RACE) $(BESIDE) -vet=off -timeout 45m ./cmd/postern ./... # the longest first; make lint vets

# Packages whose tests are quick.
QUICK := ./issuance/... ./ca/badkeys ./ca/lint ./ca/crlfile ./storage/seal ./storage/mark ./storage/backup ./cmd/messages ./cmd/postern/cli ./cmd/postern/config \
	./web/admin ./web/auth ./web/est ./web/limit ./web/mtls ./web/outbox ./web/page ./web/server ./web/trust

check: ## the quick tests alone, without the race detector: while you work
	$(GO) vet ./...
	$(GO) test $(QUICK)

lint: $(TOOLS)/staticcheck $(TOOLS)/gofumpt ## vet, staticcheck, gofumpt, and the documents made from code
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...
	@out=$$($(TOOLS)/gofumpt -l .); test -z "$$out" || { echo "not formatted (run 'make fmt'):"; echo "$$out"; exit 1; }
	$(GO) mod verify >/dev/null
	$(GO) mod tidy -diff

fmt: $(TOOLS)/gofumpt ## format every file
	$(TOOLS)/gofumpt -w .

docs: ## make the documents that come from code (the diagram of an order's life)
	$(GO) test ./issuance -run TestDiagram -update

messages: ## every text that people read, with file, line and kind: read it before a release
	@$(GO) run ./cmd/messages

crash: deps ## 1,000 orders, the server killed at every fdatasync, and 200 walks of the clock: make test has fewer
	POSTERN_CRASH_ORDERS=1000 $(GO) test -count=1 -timeout 60m -run TestKilledAtEveryFdatasync -v ./cmd/postern
	POSTERN_CLOCK_WALKS=200 $(GO) test -count=1 -timeout 60m -run TestNothingIsUnrevokedByAnyClock ./cmd/postern

BENCH := $(GO) test -run '^$$' -timeout 60m
bench: ## what it costs, over HTTP and durably stored, next to the same work bare
	$(BENCH) -bench 'Codes|CSRs|Revocations' -benchtime 3000x ./cmd/postern
	$(BENCH) -bench 'OCSP|Auth' -benchtime 100000x ./cmd/postern
	$(BENCH) -bench 'Claims' -benchtime 200x ./cmd/postern
	$(BENCH) -bench 'WaysOfChecking' -benchtime 200x ./cmd/postern
	$(BENCH) -bench 'Start' -benchtime 1x ./cmd/postern
	$(BENCH) -bench 'Backup' -benchtime 1x ./cmd/postern
	$(BENCH) -bench 'CRL|Bundle|OCSP' -benchtime 10x ./ca
	$(BENCH) -bench . ./ca/lint
	$(BENCH) -bench . ./ca/mtls
	$(BENCH) -bench 'Update|List|Find' ./storage/bolt
	$(BENCH) -bench Report -benchtime 20x ./issuance

deps: ## the programs that the tests drive
	@.ci/deps

clean: ## delete what was built
	rm -rf postern $(TOOLS) dist

$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)

$(TOOLS)/gofumpt:
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
