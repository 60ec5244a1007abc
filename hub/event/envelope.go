package event

import (
	"encoding/json"
	"time"
)

// appendEnvelope appends an event as a JSON object on one line that tells what the event belongs to. Its data is embedded where it is JSON,
// and a string where it is other text. In lines it has the event's id, which Server-Sent Events have besides.
func (f Format) appendEnvelope(b []byte, e Stored) []byte {
	b = append(b, '{')
	if f.Lines {
		b = append(e.ID.Append(append(b, `"id":"`...)), `",`...)
	}
	kind := e.Frame.Type()
	if kind == "" {
		kind = DefaultType
	}
	b = append(append(b, `"topic":"`...), e.Topic...) // which holds nothing to escape
	b = appendString(append(b, `","type":`...), kind)
	b = e.At.UTC().AppendFormat(append(b, `,"time":"`...), time.RFC3339Nano)
	b = append(b, '"')
	if e.Key != "" {
		b = appendString(append(b, `,"key":`...), e.Key)
	}
	data := e.Frame.Data()
	switch {
	case e.Frame.hasNoData():
	case e.Frame.isBase64():
		b = appendString(append(b, `,"dataBase64":`...), string(data))
	case e.Frame.isJSON(data):
		b = appendCompact(append(b, `,"data":`...), data)
	default:
		b = appendString(append(b, `,"data":`...), string(data))
	}
	return append(b, '}')
}

// isJSON reports whether a frame's data is a JSON value: it can be read as one, and its content type, if the event has one, does not say that
// it is something else.
func (f Frame) isJSON(data []byte) bool {
	if !json.Valid(data) {
		return false
	}
	declared := f.contentType()
	return declared == "" || IsJSON(declared)
}
