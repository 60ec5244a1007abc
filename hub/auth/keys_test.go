package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/runnel-dev/runnel/hub/config"
)

// nothing is where every reference is missing.
func nothing(r config.Reference) ([]byte, error) { return nil, fmt.Errorf("%v: %w", r, fs.ErrNotExist) }

// secrets reads references by their Secrets' names.
func secrets(contents map[string]string) func(config.Reference) ([]byte, error) {
	return func(r config.Reference) ([]byte, error) {
		content, ok := contents[r.Name]
		if !ok {
			return nothing(r)
		}
		return []byte(content), nil
	}
}

func staticKey(name string, topics ...string) config.Key {
	return config.Key{Name: name, Token: config.Reference{Kind: config.KindSecret, Name: name, Key: "token"}, Topics: topics}
}

const ci, bot = "0123456789abcdef", "fedcba9876543210.with.dots"

func TestKeys(t *testing.T) {
	p, err := NewPublishers(config.Publishers{Keys: []config.Key{staticKey("ci", "orders", "prices.*"), staticKey("bot", ">")}}, nil,
		secrets(map[string]string{"ci": "\n " + ci + "\t\r\n", "bot": bot}))
	if err != nil || len(p.Invalid()) != 0 || len(p.Missing()) != 0 {
		t.Fatal(err, p.Invalid(), p.Missing())
	}
	for header, want := range map[string]string{
		"Bearer " + ci: "key:ci", "bearer  " + ci + " ": "key:ci", "Bearer " + bot: "key:bot",
		"Bearer " + ci + "0": "", "Bearer " + ci[1:]: "", "Bearer " + strings.ToUpper(ci): "", "Bearer a.b.c": "", "Bearer " + strings.Repeat("x", 1<<16): "",
	} {
		who, err := p.Authenticate(header)
		if want == "" {
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "send a key of this stream") {
				t.Errorf("%.40q: %v", header, err)
			}
			continue
		}
		if err != nil || who.Name != want || !who.MayPublish("orders") || who.MayPublish("runs") != (want == "key:bot") {
			t.Errorf("%.40q: %+v, %v", header, who, err)
		}
	}
	for _, header := range []string{"", ci, "Basic " + ci, "Bearer"} {
		if _, err := p.Authenticate(header); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "`Authorization: Bearer <token>` with a key of this stream") {
			t.Errorf("%q: %v", header, err)
		}
	}
}

func TestMissingKeyIsNamedAndTheOthersWork(t *testing.T) {
	p, err := NewPublishers(config.Publishers{Keys: []config.Key{staticKey("absent", ">"), staticKey("ci", ">")}}, nil, secrets(map[string]string{"ci": ci}))
	if err != nil || len(p.Invalid()) != 0 || !slices.Equal(p.Missing(), []string{"Secret absent, key token"}) {
		t.Fatal(err, p.Invalid(), p.Missing())
	}
	if who, err := p.Authenticate("Bearer " + ci); err != nil || who.Name != "key:ci" {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := p.Authenticate("Bearer " + bot); !errors.Is(err, ErrNotReady) || strings.Contains(err.Error(), "absent") {
		t.Errorf("what may be the missing key: %v", err)
	}
}

func TestKeysOfNoUse(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"short":     {strings.Repeat("k", 15) + "\n", "a key of 15 bytes: put at least 16"},
		"long":      {strings.Repeat("k", maxTokenBytes+1), "put at most 8192"},
		"two lines": {ci + "\n" + ci, "no single word"},
		"control":   {ci + "\x00" + ci, "no single word"},
		"not ASCII": {ci + "é", "no single word"},
		"not UTF-8": {ci + "\xff", "no single word"},
		"a double":  {bot, "the token of another"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPublishers(config.Publishers{Keys: []config.Key{staticKey("bot", ">"), staticKey("key", ">")}}, nil, secrets(map[string]string{"bot": bot, "key": c.content}))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Invalid()) != 1 || p.Invalid()[0].Reference.Name != "key" || !strings.Contains(p.Invalid()[0].Error(), c.want) {
				t.Fatalf("%v, want %q", p.Invalid(), c.want)
			}
			if len(p.Missing()) != 1 || !strings.HasPrefix(p.Missing()[0], "Secret key, key token: ") || !strings.Contains(p.Missing()[0], c.want) {
				t.Errorf("missing: %q", p.Missing())
			}
			for _, said := range append(p.Missing(), p.Invalid()[0].Error()) {
				if strings.Contains(said, ci) || strings.Contains(said, bot) {
					t.Errorf("the key is told: %s", said)
				}
			}
			if who, err := p.Authenticate("Bearer " + strings.TrimSpace(c.content)); name != "a double" && err == nil {
				t.Errorf("it lets in %+v", who)
			}
		})
	}
}

func TestKeysBesideServiceAccounts(t *testing.T) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public(signer, "e")}})
	if err != nil {
		t.Fatal(err)
	}
	accounts := &config.ServiceAccounts{Audience: audience, Grants: []config.Grant{{Namespace: "team-a", Name: config.EveryAccount, Topics: []string{">"}}}}
	ready, unready := []config.Issuer{{URL: issuer, Keys: set}}, []config.Issuer(nil)
	contents := secrets(map[string]string{"ci": ci})
	token := sign(t, jose.ES256, signer, "e", claims(nil))
	for name, c := range map[string]struct {
		issuers []config.Issuer
		key     string
		token   string
		want    string // the publisher
		err     error
		text    string
	}{
		"a key":                       {ready, "ci", ci, "key:ci", nil, ""},
		"a ServiceAccount":            {ready, "ci", token, "system:serviceaccount:team-a:checkout", nil, ""},
		"neither":                     {ready, "ci", "abc", "", ErrRefused, `audience "` + audience + `", or a key of this stream`},
		"a bad ServiceAccount":        {ready, "ci", "a.b.c", "", ErrRefused, "no JSON Web Token"},
		"a key, none of the cluster":  {unready, "ci", ci, "key:ci", nil, ""},
		"an account, no issuer keys":  {unready, "ci", token, "", ErrNotReady, "not known yet"},
		"an account, no key":          {ready, "absent", token, "system:serviceaccount:team-a:checkout", nil, ""},
		"perhaps the missing key":     {ready, "absent", bot[:16], "", ErrNotReady, "a key of this stream"},
		"no missing key has its form": {ready, "absent", "a.b.c", "", ErrRefused, "no JSON Web Token"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPublishers(config.Publishers{ServiceAccounts: accounts, Keys: []config.Key{staticKey(c.key, ">")}}, c.issuers, contents)
			if err != nil {
				t.Fatal(err)
			}
			who, err := p.Authenticate("Bearer " + c.token)
			if !errors.Is(err, c.err) || who.Name != c.want || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%+v, %v", who, err)
			}
		})
	}
}

func FuzzAuthorization(f *testing.F) {
	p, err := NewPublishers(config.Publishers{
		Keys:            []config.Key{staticKey("ci", ">"), staticKey("bot", ">"), staticKey("absent", ">")},
		ServiceAccounts: &config.ServiceAccounts{Audience: audience},
	}, []config.Issuer{{URL: issuer, Keys: json.RawMessage(`{"keys":[]}`)}}, secrets(map[string]string{"ci": ci, "bot": bot}))
	if err != nil {
		f.Fatal(err)
	}
	for _, header := range []string{"", "Bearer " + ci, "bearer\t" + ci, "Bearer  " + bot + "\n", "Basic " + ci, "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30."} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		who, err := p.Authenticate(header)
		fields := strings.Fields(header)
		if err == nil && (len(fields) != 2 || !strings.EqualFold(fields[0], "bearer") || fields[1] != map[string]string{"key:ci": ci, "key:bot": bot}[who.Name]) {
			t.Fatalf("%q is %+v", header, who)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, ErrMissing) && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrNotReady) || who.Name != "" {
			t.Fatalf("%q: %+v, %v", header, who, err)
		}
		if len(fields) > 1 && len(fields[1]) >= minKeyBytes && strings.Contains(err.Error(), fields[1]) {
			t.Fatalf("%q is told again: %v", header, err)
		}
	})
}
