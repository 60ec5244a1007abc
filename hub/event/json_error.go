package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// ExplainJSON returns an error of encoding/json in words for who wrote the JSON: it names no type of Go, and is short whatever was sent. Other
// errors are returned as they are.
func ExplainJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%s: %w", wrong.Field, MismatchJSON(wrong.Value, wrong.Type))
	case errors.As(err, &wrong):
		return MismatchJSON(wrong.Value, wrong.Type)
	case errors.As(err, &syntax) && syntax.Offset == 0, errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is malformed at byte %d: %w", syntax.Offset, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	case err == nil:
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if unquoted, err := strconv.Unquote(name); err == nil {
			name = unquoted
		}
		return fmt.Errorf("unknown field %s", quoted(name))
	}
	return err
}

// MismatchJSON is the error for a JSON value, named as encoding/json does, in the place of one that a Go type is made of.
func MismatchJSON(got string, want reflect.Type) error {
	const most = 40 // it may be a number of any length
	if len(got) > most {
		got = got[:most] + "…"
	}
	return fmt.Errorf("%s stands where %s is expected", got, wantedJSON(want))
}

// wantedJSON names the JSON that a Go type is made of.
func wantedJSON(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wantedJSON(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}
