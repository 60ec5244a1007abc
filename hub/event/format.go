package event

import (
	"encoding/json"
	"time"
)

// Stored is an event as the log has it.
type Stored struct {
	ID    ID
	Topic string
	// Key of the event; empty is none.
	Key string
	// At is when it arrived.
	At    time.Time
	Frame Frame
}

// CloudEvents extensions that say what an event is at its hub.
const (
	// IDAttribute has its id.
	IDAttribute = "runnelid"
	// TopicAttribute has its topic.
	TopicAttribute = "runneltopic"
)

// Format is how a reader gets events. The zero Format is Server-Sent Events with data as it was published.
type Format struct {
	// Lines sends one JSON object a line in place of Server-Sent Events. A line of the hub's own events has no topic.
	Lines bool
	// Envelope sends each event as a JSON object with its topic, type, time, key and data.
	Envelope bool
	// CloudEvents sends each event as a CloudEvent in structured JSON (CloudEvents 1.0, JSON Event Format) with TopicAttribute. In lines it
	// has IDAttribute too, to come back with.
	CloudEvents bool
	// Source is the CloudEvents source of an event that did not come as a CloudEvent.
	Source string
}

// AppendEvent appends an event.
func (f Format) AppendEvent(b []byte, e Stored) []byte {
	switch {
	case f.IsPlain():
		return append(b, e.Frame.Text()...)
	case f.Lines:
		return append(f.appendObject(b, e), '\n')
	}
	if kind := e.Frame.Type(); kind != "" {
		b = append(append(append(b, eventField...), kind...), '\n')
	}
	b = append(appendID(b, e.ID), dataField...)
	return append(f.appendObject(b, e), "\n\n"...)
}

// IsPlain reports whether subscribers get frames as they are.
func (f Format) IsPlain() bool { return !f.Lines && !f.Envelope && !f.CloudEvents }

// appendObject appends an event as a JSON object on one line.
func (f Format) appendObject(b []byte, e Stored) []byte {
	switch {
	case f.Envelope:
		return f.appendEnvelope(b, e)
	case f.CloudEvents:
		return f.appendCloudEvent(b, e)
	}
	return AppendJSON(b, newLine(e))
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

func (f Frame) attributes() []byte {
	if f.rare == nil {
		return nil
	}
	return f.rare.attributes
}
