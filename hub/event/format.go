package event

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

// Stored is an event as the log has it.
type Stored struct {
	ID    ID
	Topic string
	// At is when it arrived.
	At    time.Time
	Frame Frame
}

// IDAttribute is the CloudEvents extension with an event's id at its hub.
const IDAttribute = "runnelid"

// Format is how a reader gets events. The zero Format is Server-Sent Events with data as it was published.
type Format struct {
	// Lines sends one JSON object a line in place of Server-Sent Events. A line of the hub's own events has no topic.
	Lines bool
	// CloudEvents sends each event as a CloudEvent in structured JSON (CloudEvents 1.0, JSON Event Format). In lines it has
	// IDAttribute, to come back with.
	CloudEvents bool
	// Source is the CloudEvents source of an event that did not come as a CloudEvent.
	Source string
}

// AppendEvent appends an event.
func (f Format) AppendEvent(b []byte, e Stored) []byte {
	switch {
	case f.CloudEvents && f.Lines:
		return append(f.appendCloudEvent(b, e), '\n')
	case f.CloudEvents:
		return f.appendBlock(b, e, f.appendCloudEvent(nil, e))
	case f.Lines:
		return append(AppendJSON(b, newLine(e)), '\n')
	}
	return append(b, e.Frame.Text()...)
}

// appendBlock appends an event with other data than it was published with.
func (f Format) appendBlock(b []byte, e Stored, data []byte) []byte {
	if kind := e.Frame.Type(); kind != "" {
		b = append(append(append(b, eventField...), kind...), '\n')
	}
	b = appendCursor(b, e.ID, 0)
	return append(AppendData(b, data), '\n')
}

// AppendControl appends one of the hub's own events.
func (f Format) AppendControl(b []byte, c Control) []byte {
	if !f.Lines {
		return c.Append(b)
	}
	line := controlLine{Type: c.Type, Retry: c.Retry.Milliseconds(), Data: c.Data}
	if c.ID.Epoch != "" {
		line.ID = &c.ID
	}
	return append(AppendJSON(b, line), '\n')
}

// AppendCursor appends what moves a reader's cursor without an event. In lines that is left to the next event.
func (f Format) AppendCursor(b []byte, id ID, retry time.Duration) []byte {
	if f.Lines {
		return append(b, '\n')
	}
	return AppendCursor(b, id, retry)
}

// AppendHeartbeat appends what breaks a silence and means nothing.
func (f Format) AppendHeartbeat(b []byte) []byte {
	if f.Lines {
		return append(b, '\n')
	}
	return append(b, Heartbeat...)
}

// line is an event in NDJSON.
type line struct {
	ID         ID        `json:"id"`
	Topic      string    `json:"topic"`
	Type       string    `json:"type,omitempty"`
	Time       time.Time `json:"time"`
	Data       *string   `json:"data,omitempty"`
	DataBase64 *string   `json:"dataBase64,omitempty"`
}

func newLine(e Stored) line {
	l := line{ID: e.ID, Topic: e.Topic, Type: e.Frame.Type(), Time: e.At.UTC()}
	data := string(e.Frame.Data())
	switch {
	case e.Frame.hasNoData():
	case e.Frame.isBase64():
		l.DataBase64 = &data
	default:
		l.Data = &data
	}
	return l
}

type controlLine struct {
	ID    *ID             `json:"id,omitempty"`
	Type  string          `json:"type"`
	Retry int64           `json:"retry,omitempty"`
	Data  json.RawMessage `json:"data"`
}

func (f Frame) isBase64() bool { return f.rare != nil && f.rare.base64 }

func (f Frame) hasNoData() bool { return f.rare != nil && f.rare.noData }

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
	isJSON := json.Valid(data)
	var declared string // of the data, by the event's own attributes
	b = append(b, '{')
	if attributes := e.Frame.attributes(); attributes != nil {
		b = append(b, attributes...)
		declared = contentType(attributes)
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
	if f.Lines {
		b = AppendJSON(append(b, `,"`+IDAttribute+`":`...), e.ID)
	}
	switch {
	case e.Frame.hasNoData():
	case e.Frame.isBase64():
		b = AppendJSON(append(b, `,"data_base64":`...), string(data))
	case isJSON && (declared == "" || IsJSON(declared)):
		b = appendCompact(append(b, `,"data":`...), data)
	case IsJSON(declared): // and it is not: as a string it would be one of JSON
		b = append(base64.StdEncoding.AppendEncode(append(b, `,"data_base64":"`...), data), '"')
	default:
		b = AppendJSON(append(b, `,"data":`...), string(data))
	}
	return append(b, '}')
}

// contentType returns the content type of data that attributes name; empty is none.
func contentType(attributes []byte) string {
	var said struct {
		ContentType string `json:"datacontenttype"`
	}
	_ = json.Unmarshal(slices.Concat([]byte{'{'}, attributes, []byte{'}'}), &said) // it is an object where a hub has made it
	return said.ContentType
}

func (f Frame) attributes() []byte {
	if f.rare == nil {
		return nil
	}
	return f.rare.attributes
}
