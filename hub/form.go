package hub

import (
	"iter"
	"net/url"
	"strconv"
	"strings"
)

// formPairs returns the names and values of a query or of a form body, in their order, as the parser of application/x-www-form-urlencoded
// reads them (WHATWG URL, section 5.1). It never fails: `;` separates nothing, and a `%` that begins no escape stands for itself. Bytes that
// are not UTF-8 stay as they are, so that no value is replaced by another one.
func formPairs(text string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for pair := range strings.SplitSeq(text, "&") {
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			if !yield(unescape(name), unescape(value)) {
				return
			}
		}
	}
}

// formValues returns the values of a query or of a form body by their names.
func formValues(text string) url.Values {
	values := url.Values{}
	for name, value := range formPairs(text) {
		values.Add(name, value)
	}
	return values
}

// unescape decodes a name or a value of a form. It allocates only when there is something to decode.
func unescape(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			b, _ := strconv.ParseUint(text[i+1:i+3], 16, 8)
			out = append(out, byte(b))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
