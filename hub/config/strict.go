package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/runnel-dev/runnel/hub/event"
)

// strict holds a document against a type more closely than encoding/json does, which takes names in any letter case and the last of
// repeated ones, and whose errors leave out indexes. It says the path of the first thing that is wrong. The document must be
// well-formed JSON.
func strict(document []byte, into reflect.Type) error {
	d := json.NewDecoder(bytes.NewReader(document))
	return walker{d}.value("", into)
}

type walker struct{ *json.Decoder }

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// value reads a value of a type.
func (w walker) value(path string, t reflect.Type) error {
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return w.leaf(path, t)
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Struct, reflect.Slice:
	default:
		return w.leaf(path, t)
	}
	var raw json.RawMessage
	if err := w.Decode(&raw); err != nil {
		return at(path, err)
	}
	inside := walker{json.NewDecoder(bytes.NewReader(raw))}
	switch {
	case t.Kind() == reflect.Pointer && string(raw) != "null":
		return inside.value(path, t.Elem())
	case t.Kind() == reflect.Struct && raw[0] == '{':
		return inside.object(path, t)
	case t.Kind() == reflect.Slice && raw[0] == '[':
		return inside.list(path, t.Elem())
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice && string(raw) == "null":
		return nil
	}
	return mismatch(path, kindOf(raw[0]), t)
}

// leaf reads a value that has no path of its own inside.
func (w walker) leaf(path string, t reflect.Type) error {
	var raw json.RawMessage
	if err := w.Decode(&raw); err != nil {
		return at(path, err)
	}
	err := json.Unmarshal(raw, reflect.New(t).Interface())
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return mismatch(path, wrong.Value, t)
	case err == nil && raw[0] == 'n' && t.Kind() != reflect.Slice: // a slice here is JSON as it is
		return mismatch(path, "null", t)
	}
	return at(path, err)
}

func (w walker) object(path string, t reflect.Type) error {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = f.Type
	}
	seen := map[string]bool{}
	return w.each(func() error {
		token, err := w.Token()
		if err != nil {
			return at(path, err)
		}
		name, _ := token.(string) // as the syntax has it
		below := strings.TrimPrefix(path+"."+name, ".")
		field, known := fields[name]
		switch {
		case !known:
			return unknown(below, name, fields)
		case seen[name]:
			return fmt.Errorf("%s: is there twice", below)
		}
		seen[name] = true
		return w.value(below, field)
	})
}

func (w walker) list(path string, t reflect.Type) error {
	i := -1
	return w.each(func() error {
		i++
		return w.value(fmt.Sprintf("%s[%d]", path, i), t)
	})
}

// each reads what is between an opening token and its closing one.
func (w walker) each(read func() error) error {
	if _, err := w.Token(); err != nil {
		return err
	}
	for w.More() {
		if err := read(); err != nil {
			return err
		}
	}
	_, err := w.Token()
	return err
}

func unknown(path, name string, fields map[string]reflect.Type) error {
	for field := range fields {
		if strings.EqualFold(field, name) {
			return fmt.Errorf("%s: unknown field: write %s", path, field)
		}
	}
	return fmt.Errorf("%s: unknown field", path)
}

func mismatch(path, got string, t reflect.Type) error { return at(path, event.MismatchJSON(got, t)) }

// kindOf names a value as encoding/json does, by how it begins.
func kindOf(first byte) string {
	switch first {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 'n':
		return "null"
	case 't', 'f':
		return "bool"
	}
	return "number"
}

func at(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", cmp.Or(path, "configuration"), err)
}
