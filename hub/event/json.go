package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// TrimBOM returns JSON text without the byte order mark that some programs write before it (RFC 8259, section 8.1).
func TrimBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\ufeff")) }

// ErrSurrogate says that JSON text has an escape that is half of a character.
var ErrSurrogate = errors.New("is half of a character")

// CheckSurrogates returns ErrSurrogate, naming the escape, when JSON text has a surrogate without the other one of its pair (RFC 7493,
// section 2.1). Decoders put another character in its place, and say nothing.
func CheckSurrogates(text []byte) error {
	for {
		at := bytes.IndexByte(text, '\\') // which JSON has in strings alone
		if at < 0 {
			return nil
		}
		text = text[at:]
		unit, size := codeUnit(text)
		if utf16.IsSurrogate(unit) {
			low, more := codeUnit(text[size:])
			if utf16.DecodeRune(unit, low) == utf8.RuneError {
				return fmt.Errorf("%s %w: write both halves of its surrogate pair, or the character itself", text[:size], ErrSurrogate)
			}
			size += more
		}
		text = text[size:]
	}
}

// codeUnit returns what the escape that text begins with stands for, and its size; -1 for all but \u and four digits.
func codeUnit(text []byte) (unit rune, size int) {
	const short, long = 2, 6
	if len(text) >= long && text[0] == '\\' && text[1] == 'u' {
		if n, err := strconv.ParseUint(string(text[short:long]), 16, 16); err == nil {
			return rune(n), long
		}
	}
	return -1, min(short, len(text))
}

// IsJSON reports whether a media type is JSON by its subtype or its suffix (RFC 6839, section 3.1).
func IsJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	_, subtype, _ := strings.Cut(kind, "/")
	return err == nil && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// AppendJSON appends a value's form in JSON on one line. The value must always have one: structs of strings, numbers and times do.
func AppendJSON(b []byte, v any) []byte {
	buffer := bytes.NewBuffer(b)
	e := json.NewEncoder(buffer)
	e.SetEscapeHTML(false) // a pattern's > is read by people
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte{'\n'})
}

// appendString appends text, which is UTF-8, as a JSON string.
func appendString(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return AppendJSON(b, text)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

func appendCompact(b, value []byte) []byte {
	buffer := bytes.NewBuffer(b)
	if err := json.Compact(buffer, value); err != nil {
		panic(err) // it is valid
	}
	return buffer.Bytes()
}
