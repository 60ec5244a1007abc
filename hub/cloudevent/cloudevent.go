// Package cloudevent reads CloudEvents 1.0 as HTTP brings them: in binary, structured and batched mode. It stores nothing and knows no
// topics.
package cloudevent

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runnel-dev/runnel/hub/event"
)

// Media types of the JSON formats (CloudEvents JSON Event Format, sections 3 and 4).
const (
	TypeStructured = "application/cloudevents+json"
	TypeBatch      = "application/cloudevents-batch+json"
)

// Problems of a request, for errors.Is. Any other error says that an event is malformed, and what to write instead.
var (
	// ErrMode says that a request holds no CloudEvent, or one in a format that is not read.
	ErrMode = errors.New("no CloudEvent is there")
	// ErrText says that data is no UTF-8, though its content type says that it is text.
	ErrText = errors.New("data is no UTF-8")
)

// Event is a CloudEvent.
type Event struct {
	// ID, Source and Type are its required attributes, never empty. Source and ID together name the event.
	ID, Source, Type string
	// Data is its payload; JSON is compacted when it came within JSON.
	Data []byte
	// NoData says that it came without data, which is not the same as with empty data.
	NoData bool
	// Binary says that Data is no text by its content type.
	Binary bool
	// Attributes are all of its attributes, as members of a JSON object without its braces.
	Attributes []byte

	others map[string]any
}

// Attribute returns an optional attribute or an extension that is a string; empty is none.
func (e *Event) Attribute(name string) string {
	text, _ := e.others[name].(string)
	return text
}

// ReadBody returns the events of a request: one in binary and structured mode (CloudEvents HTTP Protocol Binding, sections 3.1 and 3.2), any
// number in batched mode (section 3.3). The size of the body is the caller's to bound.
func ReadBody(header http.Header, body []byte) ([]*Event, error) {
	switch kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); {
	case kind == TypeBatch:
		return readBatch(body)
	case kind == TypeStructured:
		text, err := readable(body)
		if err != nil {
			return nil, err
		}
		e, err := readStructured(text)
		return []*Event{e}, err
	case strings.HasPrefix(kind, "application/cloudevents") || header.Get(headerPrefix+"Specversion") == "":
		return nil, ErrMode
	}
	e, err := readBinary(header, body)
	return []*Event{e}, err
}

// required attributes, in the order in which they are written.
var required = [...]string{"specversion", "id", "source", "type"}

// newEvent makes an event of its attributes, each a string, a bool or an int32. Its data is the caller's to add.
func newEvent(attributes map[string]any) (*Event, error) {
	for _, name := range []string{event.IDAttribute, event.TopicAttribute} {
		delete(attributes, name) // of a hub that it came through
	}
	for name, value := range attributes {
		if err := validate(name, value); err != nil {
			return nil, err
		}
	}
	for _, name := range required {
		if text, _ := attributes[name].(string); text == "" {
			return nil, fmt.Errorf("attribute %s is missing: a CloudEvent has specversion, id, source and type", name)
		}
	}
	if v := attributes["specversion"]; v != "1.0" {
		return nil, fmt.Errorf("specversion is not 1.0: send CloudEvents 1.0")
	}
	e := &Event{ID: attributes["id"].(string), Source: attributes["source"].(string), Type: attributes["type"].(string), others: attributes}
	order := append(required[:], slices.DeleteFunc(slices.Sorted(maps.Keys(attributes)), func(name string) bool {
		return slices.Contains(required[:], name)
	})...)
	for i, name := range order {
		if i > 0 {
			e.Attributes = append(e.Attributes, ',')
		}
		e.Attributes = appendMember(e.Attributes, name, attributes[name])
	}
	return e, nil
}

func appendMember(b []byte, name string, value any) []byte {
	b = append(event.AppendJSON(b, name), ':')
	return event.AppendJSON(b, value)
}

// bytes sets data that came as bytes.
func (e *Event) bytes(data []byte) error {
	kind := e.Attribute("datacontenttype")
	switch {
	case kind == "":
		e.Binary = !utf8.Valid(data)
	case !isText(kind):
		e.Binary = true
	case !utf8.Valid(data):
		return fmt.Errorf("%w: its content type %s says that it is text", ErrText, kind)
	}
	e.Data = data
	return nil
}

// isText says whether a media type is one that readers can take as text.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasPrefix(kind, "text/") || event.IsJSON(kind) || strings.HasSuffix(kind, "/xml") || strings.HasSuffix(kind, "+xml") ||
		kind == "application/x-www-form-urlencoded")
}

func short(s string) string { return s[:min(len(s), 64)] }
