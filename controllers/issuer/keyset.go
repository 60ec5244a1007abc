package issuer

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// keep is how long a vanished key is still handed on. Tokens that it signed are valid for that long by default, and longer
// only if somebody asked for it.
const keep = time.Hour

// Key is a public key with its id.
type Key struct {
	// ID is the key's "kid".
	ID string
	// JWK is the key in JSON; equal keys have equal text.
	JWK string
}

// keyset holds the keys of all issuers that were seen lately, with the time at which each was there last.
type keyset map[issued]time.Time

type issued struct {
	url string
	key Key
}

// merge adds what is there now, and drops what has not been there for an hour.
func (s keyset) merge(url string, keys []Key, now time.Time) {
	for _, k := range keys {
		s[issued{url, k}] = now
	}
	for i, seen := range s {
		if now.Sub(seen) > keep {
			delete(s, i)
		}
	}
}

// issuers returns the keys in the form of a hub's configuration, always in the same order.
func (s keyset) issuers() []config.Issuer {
	all := make([]issued, 0, len(s))
	for i := range s {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b issued) int {
		return cmp.Or(cmp.Compare(a.url, b.url), cmp.Compare(a.key.ID, b.key.ID), cmp.Compare(a.key.JWK, b.key.JWK))
	})
	var out []config.Issuer
	for len(all) > 0 {
		url, text := all[0].url, `{"keys":[`
		n := 0
		for ; n < len(all) && all[n].url == url; n++ {
			if n > 0 {
				text += ","
			}
			text += all[n].key.JWK
		}
		out = append(out, config.Issuer{URL: url, Keys: json.RawMessage(text + "]}")})
		all = all[n:]
	}
	return out
}
