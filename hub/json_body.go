package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/event"
)

// Problems of a body, for errors.Is.
var (
	errNotUTF8   = errors.New("it is not UTF-8 (RFC 8259, section 8.1)")
	errTextAfter = errors.New("text follows the JSON value")
)

// decodeJSON decodes a body that is one JSON value, with a byte order mark before it or not. It refuses members that the value does not
// have, and bytes and halves of characters that encoding/json would replace in silence. Its errors are for who sent the body.
func decodeJSON(body []byte, into any) error {
	if !utf8.Valid(body) {
		return errNotUTF8
	}
	body = event.TrimBOM(body)
	if err := event.CheckSurrogates(body); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return event.ExplainJSON(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errTextAfter
	}
	return nil
}
