// Package crd holds the generated CustomResourceDefinitions, so that a program can enforce them without an API server.
package crd

import (
	_ "embed"
)

// EventStreams is the CustomResourceDefinition of EventStream as YAML, the file that is applied to a cluster.
//
//go:embed bases/runnel.dev_eventstreams.yaml
var EventStreams []byte
