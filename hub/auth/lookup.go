package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/runnel-dev/runnel/hub/config"
)

// Invalid says why the content of a reference is of no use. It holds nothing of the content.
type Invalid struct {
	Reference config.Reference
	Err       error
}

// Error names the reference.
func (i Invalid) Error() string { return fmt.Sprintf("%v: %v", i.Reference, i.Err) }

// Unwrap returns the reason.
func (i Invalid) Unwrap() error { return i.Err }

// lookup reads the references of one configuration, and keeps which of them are of no use. What is made of the rest works.
type lookup struct {
	read    func(config.Reference) ([]byte, error)
	missing []string // references, with what is wrong with those that are there
	invalid []Invalid
}

// get gives what a reference holds to use, whose error says what to put there instead and holds nothing of it. It says whether all
// went well.
func (l *lookup) get(r config.Reference, use func(content []byte) error) bool {
	content, err := l.read(r)
	absent := errors.Is(err, fs.ErrNotExist)
	if err == nil {
		err = use(content)
	}
	if err == nil {
		return true
	}
	text := r.String()
	if !absent {
		bad := Invalid{r, err}
		text = bad.Error()
		l.invalid = append(l.invalid, bad)
	}
	if !slices.Contains(l.missing, text) {
		l.missing = append(l.missing, text)
	}
	return false
}
