package manifest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	yamlnode "go.yaml.in/yaml/v3"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// yamlDocuments returns the documents of a file. Each is converted by the library that kubectl converts it by, so that the cluster gets
// the same values: a merge key that comes after a key of its own mapping overrides it, for instance.
func yamlDocuments(text []byte) ([]document, error) {
	var all []document
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		part, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		d := document{}
		if d.json, err = yaml.YAMLToJSON(part); err != nil {
			return nil, fmt.Errorf("document %d: %w", len(all)+1, explain(part, err))
		}
		d.strict = doubledKeys(part)
		all = append(all, d)
	}
}

// mergeKey takes over the keys of another mapping, which may be overridden.
const mergeKey = "<<"

// doubledKeys returns an error for each key that a mapping has twice: that is no error of syntax, and the API server refuses it. The
// strict mode of sigs.k8s.io/yaml is of no use here: it also refuses a key that overrides a merged one.
func doubledKeys(part []byte) (found []error) {
	var root yamlnode.Node
	if err := yamlnode.Unmarshal(part, &root); err != nil {
		return nil // the other version of the library has read it, and its word counts
	}
	var walk func(*yamlnode.Node)
	walk = func(n *yamlnode.Node) {
		seen := map[string]bool{}
		for i, child := range n.Content { // an alias has no content of its own
			if isKey := n.Kind == yamlnode.MappingNode && i%2 == 0; isKey && child.Kind == yamlnode.ScalarNode && child.Value != mergeKey {
				if seen[child.Value] {
					found = append(found, fmt.Errorf("line %d: key %q already set in map", child.Line, child.Value))
				}
				seen[child.Value] = true
			}
			walk(child)
		}
	}
	walk(&root)
	return found
}

var (
	// errorLine finds the line in an error of the YAML library, which names none for the first.
	errorLine = regexp.MustCompile(`\bline ([0-9]+):`)
	// tabbed matches a line with a tab where its indentation should be.
	tabbed = regexp.MustCompile(`^[ -]*\t`)
)

// oddKey returns the line of a key that is no text, number or boolean, or 0 if there is none.
func oddKey(n *yamlnode.Node) int {
	for i, child := range n.Content {
		isKey := n.Kind == yamlnode.MappingNode && i%2 == 0
		if isKey && (child.Kind == yamlnode.MappingNode || child.Kind == yamlnode.SequenceNode || child.ShortTag() == "!!null") {
			return child.Line
		}
		if line := oddKey(child); line > 0 {
			return line
		}
	}
	return 0
}

// explain says "tab" where the YAML library only says that a character cannot start a token: a tab cannot be seen.
func explain(part []byte, err error) error {
	line := 1
	if found := errorLine.FindStringSubmatch(err.Error()); found != nil {
		line, _ = strconv.Atoi(found[1]) // digits
	}
	lines := bytes.Split(part, []byte("\n"))
	// The library may name the line before or after.
	for _, n := range []int{line, line + 1, line - 1} {
		if n >= 1 && n <= len(lines) && tabbed.Match(lines[n-1]) {
			return fmt.Errorf("line %d is indented by a tab, which YAML does not allow: write spaces", n)
		}
	}
	var root yamlnode.Node
	if yamlnode.Unmarshal(part, &root) == nil {
		if line := oddKey(&root); line > 0 {
			return fmt.Errorf("line %d has a key that is null, a list or an object: write a text, in quotes if need be", line)
		}
	}
	return err
}
