#!/bin/sh
# Writes definitions.json.gz from the Kubernetes libraries that test/go.mod names. Run it when their version changes.
set -eu
cd "$(dirname "$0")"
rm -rf generated
trap 'rm -rf generated' EXIT
mkdir generated
: > generated/header.txt
api=k8s.io/api
machinery=k8s.io/apimachinery/pkg
go tool openapi-gen \
  --output-dir generated --output-pkg github.com/runnel-dev/runnel/test/sandbox/apiserver/openapi/generated \
  --output-file openapi.go --go-header-file generated/header.txt --report-filename generated/violations.txt \
  $api/core/v1 $api/apps/v1 $api/autoscaling/v1 $api/autoscaling/v2 $api/discovery/v1 $api/events/v1 $api/networking/v1 \
  $api/policy/v1 $api/coordination/v1 $api/rbac/v1 $api/authentication/v1 $api/authorization/v1 \
  $machinery/apis/meta/v1 $machinery/runtime $machinery/version $machinery/api/resource $machinery/util/intstr \
  k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1
go run pack.go
