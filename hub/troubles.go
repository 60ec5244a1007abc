package hub

import (
	"fmt"
	"strings"
	"sync"

	"github.com/runnel-dev/runnel/hub/follow"
)

// troubles are what keeps the newest configuration from running as it is.
type troubles struct {
	mu                       sync.Mutex
	ofDocument, ofReferences error
	ofWatch                  error // which keeps nothing from running, and makes it late
}

func (t *troubles) refused(err error)  { t.set(&t.ofDocument, err) }
func (t *troubles) unusable(err error) { t.set(&t.ofReferences, err) }
func (t *troubles) watched(err error)  { t.set(&t.ofWatch, err) }

func (t *troubles) set(which *error, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*which = err
}

// late is empty when changes are watched for.
func (t *troubles) late() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ofWatch == nil {
		return ""
	}
	return fmt.Sprintf("changes are noticed within %v, since they cannot be watched for: %v", follow.PollInterval, t.ofWatch)
}

// text is empty when there are none.
func (t *troubles) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var texts []string
	for _, err := range []error{t.ofDocument, t.ofReferences} {
		if err != nil {
			texts = append(texts, err.Error())
		}
	}
	return strings.Join(texts, "; ")
}
