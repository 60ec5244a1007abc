// Package openapi holds the OpenAPI definitions of the built-in kinds that the sandbox serves.
//
// No library of Kubernetes publishes them as Go code, and the generated source has 27,000 lines, so the repository keeps
// the generator's result as compressed JSON, which generate.sh writes anew.
package openapi

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

//go:generate ./generate.sh

//go:embed definitions.json.gz
var compressed []byte

// Document is the form of one definition in the embedded file.
type Document struct {
	Schema       spec.Schema `json:"schema"`
	Dependencies []string    `json:"dependencies,omitempty"`
}

// RefPrefix starts every reference in the embedded file. It is OpenAPI v2's; Definitions replaces it on reading.
const RefPrefix = "#/definitions/"

// document is the embedded file, decompressed once a process: 60 ms that every later server saves.
var document = sync.OnceValues(func() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
})

// Definitions has the signature that Kubernetes' generated GetOpenAPIDefinitions has: every definition by its name, with
// references made by ref. It panics if the embedded file is damaged, since it is part of the program.
func Definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	text, err := document()
	if err != nil {
		panic(fmt.Errorf("decompress the embedded OpenAPI definitions: %w", err))
	}
	const probe = "probe"
	prefix := ref(probe)
	text = bytes.ReplaceAll(text, []byte(`"`+RefPrefix), []byte(`"`+strings.TrimSuffix(prefix.String(), probe)))
	var docs map[string]Document
	if err := json.Unmarshal(text, &docs); err != nil {
		panic(fmt.Errorf("decode the embedded OpenAPI definitions: %w", err))
	}
	out := make(map[string]common.OpenAPIDefinition, len(docs))
	for name, d := range docs {
		out[name] = common.OpenAPIDefinition{Schema: withV2Schema(d.Schema), Dependencies: d.Dependencies}
	}
	return out
}

// withV2Schema gives the extension that holds a definition's OpenAPI v2 form its Go type back: the builder of the v2
// document ignores it otherwise.
func withV2Schema(s spec.Schema) spec.Schema {
	raw, ok := s.Extensions[common.ExtensionV2Schema]
	if !ok {
		return s
	}
	text, err := json.Marshal(raw)
	if err != nil {
		panic(fmt.Errorf("encode a v2 schema: %w", err))
	}
	var v2 spec.Schema
	if err := json.Unmarshal(text, &v2); err != nil {
		panic(fmt.Errorf("decode a v2 schema: %w", err))
	}
	s.Extensions[common.ExtensionV2Schema] = v2
	return s
}
