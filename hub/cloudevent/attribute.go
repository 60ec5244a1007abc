package cloudevent

import (
	"errors"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// validate holds one attribute against its rules (CloudEvents 1.0, sections "Naming Conventions", "Type System" and "Context Attributes").
func validate(name string, value any) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return fmt.Errorf("attribute %q: write its name in lower-case letters and digits", short(name))
	}
	text, ok := value.(string)
	if !ok {
		if _, known := stringAttributes[name]; known {
			return fmt.Errorf("attribute %s is no string: write one", name)
		}
		return nil
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, isForbidden) {
		return fmt.Errorf("attribute %s holds a control character or a noncharacter, or is no UTF-8: write it in printable characters", name)
	}
	if check := stringAttributes[name]; check != nil {
		if err := check(text); err != nil {
			return fmt.Errorf("attribute %s %w", name, err)
		}
	}
	return nil
}

// isForbidden reports whether no string may hold a character: a control character, or one of Unicode's noncharacters.
func isForbidden(r rune) bool {
	const lastOfPlane = 0xfffe // and 0xffff
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0xfdd0 && r <= 0xfdef || r&lastOfPlane == lastOfPlane
}

// stringAttributes are those that must be strings, with what else holds for them. That those which are required are not empty is checked
// with all of them.
var stringAttributes = map[string]func(text string) error{
	"specversion":     nil,
	"id":              nil,
	"source":          reference,
	"type":            nil,
	"subject":         notEmpty,
	"datacontenttype": contentType,
	"dataschema":      absolute,
	"time":            timestamp,
	"expirytime":      timestamp,
}

func notEmpty(text string) error {
	if text == "" {
		return errors.New("is empty: write some text, or leave it out")
	}
	return nil
}

// uriReference is the form of a URI reference (RFC 3986, section 4.1). What is right in a host is left to url.Parse.
var uriReference = func() *regexp.Regexp {
	const character, inPath = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}`, `|/)*`
	const inHost, inQuery = `|[][])*`, `|[/?])*`
	return regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://` + character + inHost + `(?:/` + character + inPath + `)?|` + character + inPath + `)` +
		`(?:\?` + character + inQuery + `)?(?:#` + character + inQuery + `)?$`)
}()

func reference(text string) error {
	if _, err := url.Parse(text); err != nil || !uriReference.MatchString(text) {
		return errors.New("is no URI reference (RFC 3986, section 4.1): write one such as /shop/orders; a space is written %20, and in a header %2520")
	}
	return nil
}

func absolute(text string) error {
	u, err := url.Parse(text)
	if err != nil || !u.IsAbs() || strings.Contains(text, "#") || !uriReference.MatchString(text) {
		return errors.New("is no absolute URI (RFC 3986, section 4.3): write one such as https://shop.example/order.json, without a fragment")
	}
	return nil
}

func contentType(text string) error {
	if kind, _, err := mime.ParseMediaType(text); err != nil || !strings.Contains(kind, "/") {
		return errors.New("is no media type: write one such as application/json")
	}
	return nil
}

func timestamp(text string) error {
	if _, err := ParseTime(text); err != nil {
		return errors.New("is no time (RFC 3339): write one such as 2026-01-31T10:00:00Z")
	}
	return nil
}

// dateTime is the form of a time, since time.Parse takes a comma and an hour of one digit too.
var dateTime = regexp.MustCompile(`^[0-9-]{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9:]{5})$`)

// ParseTime returns the time of an attribute (RFC 3339, section 5.6).
func ParseTime(text string) (time.Time, error) {
	text = strings.ToUpper(text) // T and Z may be written in lower case
	if !dateTime.MatchString(text) {
		return time.Time{}, errors.New("no date and time")
	}
	return time.Parse(time.RFC3339, text)
}
