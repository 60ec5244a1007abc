package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// methodQuery is a GET with content (RFC 10008).
	methodQuery = "QUERY"
	// maxQueryContent bounds the parameters that a subscriber sends as content: they may be as long as those in a URL.
	maxQueryContent = maxHeaderBytes
	// queryTypes are the media types of such content.
	queryTypes = typeForm + ", " + typeJSON
)

// addContent adds the parameters that a request has as its content, a form or a JSON object. Whatever says of which type it is, no content
// holds none.
func (h *Hub) addContent(w http.ResponseWriter, r *http.Request, p *parameters) *problem {
	kind := mediaType([]byte(r.Header.Get("Content-Type")))
	if kind != typeForm && kind != typeJSON {
		has, bad := h.hasContent(w, r)
		if has {
			w.Header().Set("Accept-Post", queryTypes)
			w.Header().Set("Accept-Query", queryTypes) // RFC 10008, section 3
			return refuse(http.StatusUnsupportedMediaType, "content_type", "parameters are taken as %s or %s, by the Content-Type header, or in the URL", typeForm, typeJSON)
		}
		return bad
	}
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(h.body))
	body, bad := readChoice(w, r, maxQueryContent)
	if bad != nil {
		skipSoon(w)
		return bad
	}
	_ = connection.SetReadDeadline(time.Time{})
	if kind == typeForm {
		p.addForm(string(body))
	} else if len(body) > 0 {
		if err := decodeJSON(body, p); err != nil {
			return refuse(http.StatusBadRequest, "body_malformed", `the body is not readable (%v): write {"topic":["orders","prices.*"]}, and other parameters besides`, err)
		}
	}
	return nil
}

// readChoice reads a body that chooses topics.
func readChoice(w http.ResponseWriter, r *http.Request, most int64) ([]byte, *problem) {
	body, bad := readBody(w, r, nil, most, most)
	if bad != nil && bad.Status == http.StatusRequestEntityTooLarge {
		return nil, refuse(http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than %d bytes: choose fewer topics", most)
	}
	return body, bad
}

// UnmarshalJSON implements json.Unmarshaler. It adds the members of an object in their order: each is a string, a number, a boolean, or a
// list of these.
func (p *parameters) UnmarshalJSON(object []byte) error {
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		if err := p.addMember(name.(string), d); err != nil { // only strings are names
			return err
		}
	}
	return nil
}

func (p *parameters) addMember(name string, from *json.Decoder) error {
	var value any
	if err := from.Decode(&value); err != nil {
		return err
	}
	values, several := value.([]any)
	if !several {
		values = []any{value}
	}
	_, known := parameterName(name)
	for _, value := range values {
		switch value.(type) {
		case nil:
		case string, json.Number, bool:
			p.add(name, fmt.Sprint(value))
		default:
			if known {
				return fmt.Errorf("%s is neither a string, a number or a boolean, nor a list of them", name)
			}
			p.ignore(name)
		}
	}
	return nil
}
