package reference

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"

	"github.com/runnel-dev/runnel/hub/config"
)

// Snapshot is what references held at one time, so that all that is made of them agrees.
type Snapshot map[config.Reference]entry

type entry struct {
	content []byte
	err     error
}

// Snapshot reads references.
func (d Dir) Snapshot(references []config.Reference) Snapshot {
	s := Snapshot{}
	for _, r := range references {
		content, err := d.Read(r)
		s[r] = entry{content, err}
	}
	return s
}

// Read returns what a reference held; its errors are those of Dir.Read. The content is not to be changed.
func (s Snapshot) Read(r config.Reference) ([]byte, error) {
	e, ok := s[r]
	if !ok {
		return nil, fmt.Errorf("%v: %w", r, fs.ErrNotExist)
	}
	return e.content, e.err
}

// Equal says whether the same references held the same.
func (s Snapshot) Equal(o Snapshot) bool {
	return maps.EqualFunc(s, o, func(a, b entry) bool {
		return bytes.Equal(a.content, b.content) && fmt.Sprint(a.err) == fmt.Sprint(b.err)
	})
}

// Except returns the snapshot with some references as they are in another one, if they are there.
func (s Snapshot) Except(other Snapshot, references []config.Reference) Snapshot {
	out := maps.Clone(s)
	for _, r := range references {
		if e, ok := other[r]; ok && e.err == nil {
			out[r] = e
		}
	}
	return out
}
