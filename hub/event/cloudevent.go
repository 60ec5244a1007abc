package event

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

// context is the attributes of a CloudEvent that is made of an event that was none.
type context struct {
	SpecVersion string    `json:"specversion"`
	ID          ID        `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
}

// Content types that data without one is taken for.
const (
	typeJSON   = "application/json"
	typeText   = "text/plain; charset=utf-8"
	typeBinary = "application/octet-stream"
)

// appendCloudEvent appends an event as a CloudEvent: with its own attributes when it has some, else with those of the hub.
func (f Format) appendCloudEvent(b []byte, e Stored) []byte {
	data := e.Frame.Data()
	isJSON := e.Frame.isJSON(data)
	b = append(b, '{')
	if attributes := e.Frame.attributes(); attributes != nil {
		b = append(b, attributes...)
	} else {
		c := context{"1.0", e.ID, f.Source, e.Frame.Type(), e.Topic, e.At.UTC(), typeText}
		if c.Type == "" {
			c.Type = DefaultType
		}
		switch {
		case e.Frame.isBase64():
			c.ContentType = typeBinary
		case isJSON:
			c.ContentType = typeJSON
		}
		members := AppendJSON(nil, c)
		b = append(b, members[1:len(members)-1]...)
	}
	b = append(append(append(b, `,"`+TopicAttribute+`":"`...), e.Topic...), '"') // which holds nothing to escape
	if f.Lines {
		b = append(e.ID.Append(append(b, `,"`+IDAttribute+`":"`...)), '"')
	}
	switch {
	case e.Frame.hasNoData():
	case e.Frame.isBase64():
		b = appendString(append(b, `,"data_base64":`...), string(data))
	case isJSON:
		b = appendCompact(append(b, `,"data":`...), data)
	case IsJSON(e.Frame.contentType()): // and it is not: as a string it would be one of JSON
		b = append(base64.StdEncoding.AppendEncode(append(b, `,"data_base64":"`...), data), '"')
	default:
		b = appendString(append(b, `,"data":`...), string(data))
	}
	return append(b, '}')
}

// contentType returns the content type of the data of an event that came as a CloudEvent; empty is none.
func (f Frame) contentType() string {
	attributes := f.attributes()
	if attributes == nil {
		return ""
	}
	var said struct {
		ContentType string `json:"datacontenttype"`
	}
	_ = json.Unmarshal(slices.Concat([]byte{'{'}, attributes, []byte{'}'}), &said) // it is an object where a hub has made it
	return said.ContentType
}
