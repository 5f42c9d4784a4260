# What a contributor runs. Go and make are all that is needed: each other tool
# is built by Go at a pinned version into .cache/bin, which git ignores.
#
# Everything covers every module of the repository: the list is allmodules, and
# "make check-modules" proves it complete.

MODULES  := $(shell grep -v '^\#' allmodules)
PACKAGES := $(subst /./,/,$(MODULES:%=./%/...))
REPOCHECK := go run ./internal/repocheck

GOLANGCI_LINT_VERSION := v2.15.0
# Named for the Go version too: a linter built by an older Go refuses newer code.
GOLANGCI_LINT := .cache/bin/golangci-lint-$(GOLANGCI_LINT_VERSION)-$(shell go env GOVERSION)

# The race detector needs a C compiler. Without one the go command turns cgo
# off, and the tests run without the detector rather than not at all.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

BENCH     :=
FUZZTIME  := 20s
SOAK      := 60s
HISTORIES := 1000000
SEED      :=

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: test
test: ## Run all tests with the race detector, in random order, uncached
	@$(if $(RACE),,echo "WARNING: no C compiler (go env CGO_ENABLED is 0): testing WITHOUT the race detector" >&2)
	go test $(RACE) -shuffle=on -count=1 -timeout=10m $(PACKAGES)

# Without the race detector, which make test has: there is more load so.
.PHONY: soak
soak: ## Play HISTORIES (1 million) of joins; kill, cut and stop for SOAK (60s) a scenario; print the account (SEED=n repeats)
	go test -v -count=1 -timeout=60m -run='^TestModel$$' ./internal/join -histories=$(HISTORIES) -seed=$(or $(SEED),0)
	go test -v -count=1 -timeout=60m -parallel=1 -run='^TestScenarios$$' ./internal/crashtest -soak=$(SOAK) $(if $(SEED),-seed=$(SEED))

.PHONY: test-cluster
test-cluster: ## Prove the bus on a cluster of three NATS servers, which takes minutes
	go test $(RACE) -count=1 -timeout=20m -tags=cluster -run='^TestCluster$$' ./bus/natsbus/embedded

# The packages with tests that a build tag keeps for real servers, two at a time,
# each by its own module's go.mod: with the oldest client-go and SDK that it says
# it works with.
TAGGED = grep -rlE --include='*_test.go' --exclude-dir='.[a-z]*' '^//go:build $(1)$$' . | xargs -n1 dirname | sort -ur
TEST_TAGGED = xargs -P2 -I{} sh -c 'cd {} && GOWORK=off go test $(RACE) -tags=$(1) -shuffle=on -count=1 -timeout=10m .'

.PHONY: test-kubernetes
test-kubernetes: ## Run the tests that need a Kubernetes API server, which Go builds the first time (or KUBEBUILDER_ASSETS)
	@set -e; KUBEBUILDER_ASSETS=$$(go run ./internal/kubetest/assets .cache); export KUBEBUILDER_ASSETS; \
		go test $(RACE) -v -tags=kubernetes -count=1 -timeout=5m ./internal/kubetest; \
		$(call TAGGED,kubernetes) | grep -v '^./internal/kubetest$$' | $(call TEST_TAGGED,kubernetes)

.PHONY: test-aws
test-aws: ## Run the tests that need servers of AWS's protocols, which are installed the first time (by Java, Maven and Python)
	go run ./internal/awstest/servers/install
	@echo "testing against the project's own emulator of Lambda, with real handlers: triggers/lambdatrigger"
	@{ $(call TAGGED,aws); echo ./triggers/lambdatrigger; } | $(call TEST_TAGGED,aws)

.PHONY: build
build: ## Build and vet each module by its own go.mod, as its users do
	@set -e; for m in $(MODULES); do echo "go build, go vet: $$m"; \
		(cd $$m && GOWORK=off go build -o /dev/null ./... && GOWORK=off go vet ./...); done

# One run per module: golangci-lint takes the packages of one module at a time.
# All are run before it fails, so that one pass shows everything.
.PHONY: lint
lint: $(GOLANGCI_LINT) ## Lint every module (.golangci.yml)
	@failed=; for m in $(MODULES); do echo "golangci-lint: $$m"; \
		(cd $$m && $(CURDIR)/$(GOLANGCI_LINT) run ./...) || failed="$$failed $$m"; done; \
		[ -z "$$failed" ] || { echo "lint failed in:$$failed" >&2; exit 1; }

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format every module as lint wants it
	@set -e; for m in $(MODULES); do (cd $$m && $(CURDIR)/$(GOLANGCI_LINT) fmt ./...); done

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/.cache/bin GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv .cache/bin/golangci-lint $@

# Beside these, each package has benchmarks of its own: go test -bench.
.PHONY: bench
bench: ## Measure against the limits and print the ratios (BENCH=regexp picks some)
	cd bench && ./run.sh $(if $(BENCH),'$(BENCH)') | go run ./report

# The go command fuzzes one target of one package at a time.
.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (20s)
	@set -e; targets=$$(grep -rE --include='*_test.go' --exclude-dir='.[a-z]*' '^func Fuzz[A-Za-z0-9_]*\(' ./* | sort); \
		[ -n "$$targets" ] || { echo "no fuzz targets found" >&2; exit 1; }; \
		echo "$$targets" | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | \
		while read -r dir target; do echo "fuzz: $$dir $$target"; \
		go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$dir" </dev/null; done

.PHONY: tidy
tidy: ## Tidy the go.mod and go.sum of each module
	@set -e; for m in $(MODULES); do echo "go mod tidy: $$m"; (cd $$m && GOWORK=off go mod tidy); done

.PHONY: tidy-check
tidy-check: ## Fail, with the difference, where tidy would change something
	@set -e; for m in $(MODULES); do echo "go mod tidy -diff: $$m"; (cd $$m && GOWORK=off go mod tidy -diff); done

.PHONY: api
api: ## Record the exported API and the dependencies under api/
	@$(REPOCHECK) api

.PHONY: api-check
api-check: ## Fail, with the difference, where they are not the recorded ones
	@$(REPOCHECK) api-check

.PHONY: check-modules
check-modules: ## Compare allmodules with the go.mod files and go.work
	@$(REPOCHECK) modules

.PHONY: consumer-check
consumer-check: ## Use each library module as a stranger would, by a module proxy
	@$(REPOCHECK) consumer

.PHONY: clean
clean: ## Remove what these targets built
	rm -rf .cache
