# One image for all: /operator, /hub and /runnel. The manifests say which is run.
ARG GO_VERSION=1.26
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
ARG TARGETOS TARGETARCH
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api/ api/
COPY cmd/ cmd/
COPY config/crd/ config/crd/
COPY controllers/ controllers/
COPY hub/ hub/
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/operator ./cmd/hub ./cmd/runnel

# The programs are static: they need nothing but the certificates by which HTTPS servers are known.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/operator /out/hub /out/runnel /
# A number, since runAsNonRoot cannot tell what a name means. Any other user may run the programs too.
USER 65532:65532
CMD ["/operator"]
