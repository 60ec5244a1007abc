# All but the targets for an image and a real cluster run with Go, git and make alone; what else is needed is fetched.

VERSION ?= 0.1.0
# The one image with all programs; what the manifests name.
IMG ?= runnel:$(VERSION)
KUBECTL ?= kubectl

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
TOOLS := -modfile=$(CURDIR)/test/tools/go.mod
LDFLAGS := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s

##@ General

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"} /^[a-zA-Z_0-9-]+:.*?##/ {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2} /^##@/ {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Apply a stream, publish and receive in the sandbox; about 10 s once built.
	cd test && go run ./cmd/sandbox demo --bin $(BIN)

.PHONY: sandbox
sandbox: build ## Keep the sandbox up with the operator and a sample stream, to try things by hand.
	cd test && go run ./cmd/sandbox up --bin $(BIN)

##@ Development

.PHONY: generate
generate: $(BIN)/controller-gen ## Make deepcopy, apply configurations, CRDs, RBAC and the chart's copies anew.
	rm -rf api/v1alpha1/applyconfiguration
	$(BIN)/controller-gen object crd applyconfiguration paths=./api/v1alpha1 output:crd:dir=config/crd/bases
	$(BIN)/controller-gen rbac:roleName=manager-role paths=./controllers output:rbac:dir=config/rbac
	$(BIN)/controller-gen rbac:roleName=issuer-reader,fileName=issuer_role.yaml paths=./controllers/issuer output:rbac:dir=config/rbac
	sed 's/^kind: ClusterRole$$/kind: Role/' config/rbac/role.yaml > config/namespaced/namespace/role.yaml
	cp config/crd/bases/runnel.dev_eventstreams.yaml charts/runnel/files/eventstreams.yaml
	cp config/rbac/role.yaml config/rbac/issuer_role.yaml charts/runnel/files/
	test/sandbox/apiserver/openapi/generate.sh

.PHONY: release-golden
release-golden: ## At a release: what is rendered today is what later operators must render too.
	go test ./controllers/render -run TestAnUpgradeRollsNothing -release

.PHONY: build
build: ## Build hub, operator and runnel into bin/.
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: lint
lint: $(BIN)/golangci-lint ## gofmt, go vet and golangci-lint over both modules; generated files must be fresh.
	files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt would change: $$files" >&2; exit 1; }
	$(BIN)/golangci-lint run ./...
	cd test && $(BIN)/golangci-lint run ./...

.PHONY: test
test: ## Run every test; hub, operator and CLI under the race detector.
	test/run

.PHONY: conformance
conformance: ## Try a hub with a browser and other people's clients: an own one, or HUB=URL PUBLISH=URL; prints a table.
	test/conformance/run

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME.
	test/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Run the benchmarks, and measure a hub against a raw reference into test/bench/RESULTS.md; BENCH=-quick for a first look.
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/hub ./cmd/hub
	go test -run '^$$' -bench . -benchmem ./hub/...
	cd test && go build -o $(BIN)/bench ./bench/cmd/bench && ../bin/bench $(BENCH)

.PHONY: scale
scale: ## Run the operator with thousands of streams in the sandbox, and measure it into test/scale/RESULTS.md; SCALE=-quick for a first look.
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/operator ./cmd/hub
	cd test && go build -o $(BIN)/scale ./scale/cmd/scale && ../bin/scale $(SCALE)

##@ A real cluster

.PHONY: install
install: ## Install the CRDs into the cluster of the current context.
	$(KUBECTL) apply --server-side -k config/crd

.PHONY: uninstall
uninstall: ## Remove the CRDs, and with them every EventStream.
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: dist ## Install CRDs and operator with image IMG into the cluster of the current context.
	$(KUBECTL) apply --server-side -f dist/install.yaml

.PHONY: undeploy
undeploy: dist ## Remove CRDs and operator, and with them every EventStream.
	$(KUBECTL) delete --ignore-not-found -f dist/install.yaml

.PHONY: image
image: ## Build the image IMG.
	docker build --build-arg VERSION=$(VERSION) -t $(IMG) .

.PHONY: dist
dist: $(BIN)/kustomize ## Write dist/install.yaml with image IMG.
	mkdir -p dist
	$(BIN)/kustomize build config/default | sed 's|runnel:0\.1\.0|$(IMG)|' > dist/install.yaml

##@ Tools

$(BIN)/controller-gen: test/tools/go.mod
	go build $(TOOLS) -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(BIN)/golangci-lint: test/tools/go.mod
	go build $(TOOLS) -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/kustomize: test/tools/go.mod
	go build $(TOOLS) -o $@ sigs.k8s.io/kustomize/kustomize/v5
