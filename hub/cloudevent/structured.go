package cloudevent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/event"
)

// MaxBatch is the largest number of events in one batch.
const MaxBatch = 1000

func readBatch(body []byte) ([]*Event, error) {
	body, err := readable(body)
	if err != nil {
		return nil, err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("the batch is no JSON array of events: %w", event.ExplainJSON(err))
	}
	if all == nil {
		return nil, errors.New("the batch is null: write a list of events")
	}
	if len(all) > MaxBatch {
		return nil, fmt.Errorf("%d events: send at most %d at once", len(all), MaxBatch)
	}
	out := make([]*Event, len(all))
	for i, one := range all {
		var err error
		if out[i], err = readStructured(one); err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
	}
	return out, nil
}

// readable returns the JSON text of a body, in which each character is what was meant.
func readable(body []byte) (text []byte, err error) {
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("%w, and the body is JSON: send bytes as data_base64", ErrText)
	}
	return event.TrimBOM(body), event.CheckSurrogates(body)
}

// readStructured reads an event in JSON (CloudEvents JSON Event Format, sections 2 and 3).
func readStructured(text []byte) (*Event, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("the event is no JSON object: %w", event.ExplainJSON(err))
	}
	data, hasData := members["data"]
	encoded, hasEncoded := members["data_base64"]
	if hasData && hasEncoded {
		return nil, fmt.Errorf("both data and data_base64 are there: write one of them")
	}
	delete(members, "data")
	delete(members, "data_base64")
	attributes := map[string]any{}
	for name, text := range members {
		value, err := attribute(text)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", short(name), err)
		}
		if value != nil { // null is absent
			attributes[name] = value
		}
	}
	e, err := newEvent(attributes)
	switch {
	case err != nil:
		return nil, err
	case hasEncoded:
		return e, e.base64(encoded)
	case hasData:
		return e, e.value(data)
	}
	e.NoData = true
	return e, nil
}

// attribute is a string, a bool or an int32; nil for null.
func attribute(text json.RawMessage) (any, error) {
	switch text[0] {
	case 'n':
		return nil, nil
	case 't', 'f':
		return text[0] == 't', nil
	case '"':
		var s string
		return s, json.Unmarshal(text, &s)
	}
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("write a string, a boolean or an integer of 32 bits")
	}
	return int32(n), nil
}

func (e *Event) base64(encoded json.RawMessage) error {
	var text string
	if err := json.Unmarshal(encoded, &text); err != nil {
		return fmt.Errorf("data_base64 is no string: write one")
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("data_base64 is no base64: write the alphabet of RFC 4648, section 4, with padding")
	}
	return e.bytes(data)
}

// value sets data that came as a JSON value. A string is itself where its content type is not JSON, and JSON where it is.
func (e *Event) value(data json.RawMessage) error {
	if kind := e.Attribute("datacontenttype"); data[0] == '"' && kind != "" && !event.IsJSON(kind) {
		var text string
		err := json.Unmarshal(data, &text)
		e.Data = []byte(text)
		return err
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, data)
	e.Data = compact.Bytes()
	return err
}
