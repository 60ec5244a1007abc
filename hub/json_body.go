package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/runnel-dev/runnel/hub/event"
)

// errTextAfter is the error for a body that holds more than one JSON value.
var errTextAfter = errors.New("text follows the JSON value")

// decodeJSON decodes a body that is one JSON value, with a byte order mark before it or not. It refuses members that the value does not
// have, and half characters, which encoding/json would replace in silence.
func decodeJSON(body []byte, into any) error {
	body = event.TrimBOM(body)
	if err := event.CheckSurrogates(body); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errTextAfter
	}
	return nil
}
