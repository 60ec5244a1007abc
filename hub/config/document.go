package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/event"
)

// hashBytes is the length of a configuration hash before its hexadecimal form: 16 bytes cannot collide by chance, and the
// form still fits a label value.
const hashBytes = 16

// Encode writes a configuration as the document that Decode reads. Equal configurations have equal documents.
func Encode(c *Config) ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("configuration cannot be written: %w", err)
	}
	return append(b, '\n'), nil
}

// Decode reads a document of a version up to Version strictly: a version or a field that it does not know, a name in another letter case or
// twice, a value of another type or out of its bounds, or text after the document is an error that names the whole path, such as
// topics[0].age. The error for a version that it does not know is a *VersionError.
func Decode(b []byte) (*Config, error) { return Added().Decode(b) }

// Decode is the function Decode for documents that may have these additions.
func (a Additions) Decode(b []byte) (*Config, error) {
	var document struct {
		Version any `json:"version"`
	}
	err := json.Unmarshal(b, &document)
	var wrong *json.UnmarshalTypeError // which strict says better
	if err == nil && !utf8.Valid(b) {
		err = errors.New("it is not UTF-8")
	}
	if err != nil && !errors.As(err, &wrong) {
		return nil, fmt.Errorf("configuration is not readable: %w", event.ExplainJSON(err))
	}
	// A document of a version that is not known has its own fields: they say nothing.
	version, isNumber := document.Version.(float64)
	known := version == math.Trunc(version) && version >= 1 && version <= float64(a.Version())
	if isNumber && !known || document.Version == nil && wrong == nil {
		return nil, &VersionError{Got: version, Newest: a.Version()}
	}
	if err := strict(b, reflect.TypeFor[Config]()); err != nil {
		return nil, err
	}
	c := &Config{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("configuration is not readable: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	for _, f := range a {
		if f.Version > c.Version && f.Used(c) {
			return nil, fmt.Errorf("version: %d has no %s: write %d", c.Version, f.Field, f.Version)
		}
	}
	return c, nil
}

// Hash names a configuration: equal configurations have equal hashes, on the operator's side and on the hub's. Peers.First is left out,
// since it means nothing to a hub that has begun.
func Hash(c *Config) string {
	if c.Peers != nil && c.Peers.First != "" {
		named, peers := *c, *c.Peers
		peers.First = ""
		named.Peers, c = &peers, &named
	}
	b, err := json.Marshal(c)
	if err != nil {
		// Only keys that are no JSON can fail here, and Decode and Validate let none in.
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:hashBytes])
}
