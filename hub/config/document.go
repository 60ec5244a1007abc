package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// Decode reads a document strictly: a version or a field that it does not know, a value out of its bounds, or text after the
// document is an error. It names the field, and the whole path of one that is out of its bounds.
func Decode(b []byte) (*Config, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("configuration is not readable: %w", err)
	}
	if version.Version != Version {
		return nil, fmt.Errorf("version: %d is not known to this hub, it reads %d", version.Version, Version)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	c := &Config{}
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("configuration is not readable: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Hash names a configuration: equal configurations have equal hashes, on the operator's side and on the hub's.
func Hash(c *Config) string {
	b, err := json.Marshal(c)
	if err != nil {
		// Only keys that are no JSON can fail here, and Decode and Validate let none in.
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:hashBytes])
}
