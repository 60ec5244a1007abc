package cloudevent

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// headerPrefix starts the headers that hold attributes, in the form of http.CanonicalHeaderKey.
const headerPrefix = "Ce-"

var percentEncoded = regexp.MustCompile("%[0-9A-Fa-f]{2}")

func readBinary(header http.Header, body []byte) (*Event, error) {
	attributes := map[string]any{}
	if kind := header.Get("Content-Type"); kind != "" {
		attributes["datacontenttype"] = kind
	}
	for key, values := range header {
		name, ok := strings.CutPrefix(key, headerPrefix)
		if !ok {
			continue
		}
		name = strings.ToLower(name)
		if len(values) > 1 || name == "datacontenttype" || name == "data" {
			return nil, fmt.Errorf("header ce-%s: write each attribute once, and data's type as Content-Type", short(name))
		}
		attributes[name] = decodeHeader(values[0])
	}
	e, err := newEvent(attributes)
	if err != nil {
		return nil, err
	}
	if e.NoData = len(body) == 0; e.NoData {
		return e, nil
	}
	return e, e.bytes(body)
}

// decodeHeader reads a header's value (CloudEvents HTTP Protocol Binding, section 3.1.3.2): quotes around all of it are taken off, then
// percent-encoding. A percent sign that encodes nothing is left as it is, since common senders encode none. That the result is
// UTF-8 is checked with the attribute.
func decodeHeader(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = unescape(value[1 : len(value)-1])
	}
	return percentEncoded.ReplaceAllStringFunc(value, func(encoded string) string {
		b, err := hex.DecodeString(encoded[1:])
		if err != nil {
			return encoded
		}
		return string(b)
	})
}

// unescape takes the backslash off each escaped character (RFC 9110, section 5.6.4).
func unescape(quoted string) string {
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		if quoted[i] == '\\' && i+1 < len(quoted) {
			i++
		}
		b.WriteByte(quoted[i])
	}
	return b.String()
}
