//go:build ignore

// This program writes definitions.json.gz from the Go code that openapi-gen made; see generate.sh.
package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver/openapi"
	"github.com/runnel-dev/runnel/test/sandbox/apiserver/openapi/generated"
)

func main() {
	if err := pack("definitions.json.gz"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pack(path string) error {
	docs := map[string]openapi.Document{}
	for name, d := range generated.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef(openapi.RefPrefix + name)
	}) {
		docs[name] = openapi.Document{Schema: d.Schema, Dependencies: d.Dependencies}
	}
	text, err := json.Marshal(docs) // maps are sorted, and gzip's header holds no time: the file is reproducible
	if err != nil {
		return fmt.Errorf("encode the definitions: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
