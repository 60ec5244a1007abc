package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

// references is a directory of Secrets and ConfigMaps of a test.
type references struct {
	t   *testing.T
	dir string
}

func newReferences(t *testing.T) references { return references{t, t.TempDir()} }

func (r references) path(name, key string) string { return filepath.Join(r.dir, "secrets", name, key) }

func (r references) put(name, key, content string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name, key)), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.path(name, key), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r references) remove(name, key string) {
	r.t.Helper()
	if err := os.Remove(r.path(name, key)); err != nil {
		r.t.Fatal(err)
	}
}

const ciToken, botToken, newToken = "ci-token-0123456789", "bot-token-0123456789", "new-token-0123456789"

func keyed(names ...string) config.Publishers {
	p := config.Publishers{}
	for _, n := range names {
		p.Keys = append(p.Keys, config.Key{Name: n, Token: config.Reference{Kind: config.KindSecret, Name: "shop-" + n, Key: "token"}, Topics: []string{"orders"}})
	}
	return p
}

// publishAs expects a status, and a code when it is none of success.
func (s *server) publishAs(token, topic string, status int, code string) {
	s.t.Helper()
	resp, body := do(s.t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/"+topic, "x", "Authorization", "Bearer "+token)
	if resp.StatusCode != status || !strings.Contains(body, code) {
		s.t.Errorf("with %s to %s: %d %s, want %d %s", token, topic, resp.StatusCode, body, status, code)
	}
	for _, secret := range []string{ciToken, botToken, newToken} {
		if strings.Contains(body, secret) {
			s.t.Errorf("the answer holds a key: %s", body)
		}
	}
}

func (s *server) expectMissing(want ...string) {
	s.t.Helper()
	got := s.Status().Missing
	if len(got) != len(want) {
		s.t.Errorf("missing: %q, want %q", got, want)
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			s.t.Errorf("missing: %q, want %q", got, want)
		}
	}
}

func TestKeysPublishAndAreRotatedWithoutALostConnection(t *testing.T) {
	held := newReferences(t)
	held.put("shop-ci", "token", ciToken+"\n")
	s := startWith(t, hub.Options{References: held.dir}, func(c *config.Config) { c.Auth.Publishers = keyed("ci", "bot") })
	c := s.read(q("topic", "orders"))
	c.expect("runnel-open", "live")

	s.expectMissing("Secret shop-bot, key token")
	if got := metrics(t, s); !strings.Contains(got, "runnel_hub_references_missing 1") {
		t.Error(got)
	}
	s.publishAs(ciToken, "orders", 200, "")
	s.publishAs(ciToken, "last", 403, "key:ci may not publish to last")
	s.publishAs(botToken, "orders", 503, "not_ready")
	if resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/topics/orders", "x"); resp.StatusCode != 401 || !strings.Contains(body, "with a key of this stream") {
		t.Errorf("without a key: %d %s", resp.StatusCode, body)
	}

	held.put("shop-bot", "token", botToken)
	held.put("shop-ci", "token", newToken)
	if err := s.Refresh(); err != nil {
		t.Fatal(err)
	}
	s.expectMissing()
	s.publishAs(botToken, "orders", 200, "")
	s.publishAs(newToken, "orders", 200, "")
	s.publishAs(ciToken, "orders", 401, "token_refused")

	held.remove("shop-bot", "token")
	held.put("shop-ci", "token", "\n")
	if err := s.Refresh(); err != nil {
		t.Fatal(err)
	}
	s.expectMissing("Secret shop-ci, key token", "Secret shop-bot, key token")
	s.publishAs(botToken, "orders", 503, "not_ready")
	s.publishAs(newToken, "orders", 503, "not_ready")
	for range 3 {
		c.expect("", "x")
	}
}

func TestACredentialThatBecomesOfNoUseIsGivenUp(t *testing.T) {
	held := newReferences(t)
	held.put("shop-ci", "token", ciToken)
	held.put("shop-bot", "token", "short")
	s := startWith(t, hub.Options{References: held.dir}, func(c *config.Config) { c.Auth.Publishers = keyed("ci", "bot") })
	s.expectMissing("Secret shop-bot, key token: a key of 5 bytes: put at least 16")
	s.publishAs("short", "orders", 503, "not_ready")
	s.publishAs(ciToken, "orders", 200, "")

	held.put("shop-ci", "token", "short")
	held.put("shop-bot", "token", botToken)
	if err := s.Refresh(); err == nil || !strings.Contains(err.Error(), "Secret shop-ci, key token: a key of 5 bytes") {
		t.Errorf("%v", err)
	}
	s.expectMissing("Secret shop-ci, key token: a key of 5 bytes")
	if got := s.Status().ConfigError; !strings.Contains(got, "Secret shop-ci, key token") || !strings.Contains(got, "nobody gets in by it") {
		t.Errorf("status: %q", got)
	}
	if got := metrics(t, s); !strings.Contains(got, "runnel_hub_config_last_load_successful 0") {
		t.Error(got)
	}
	s.publishAs(ciToken, "orders", 503, "not_ready") // it may have leaked
	s.publishAs(botToken, "orders", 200, "")         // what is well is taken up
	next := base()
	next.Auth.Publishers, next.Limits.MaxEventSize = keyed("ci", "bot"), 2<<10
	if err := s.Reload(next); err != nil || s.Status().ConfigHash != config.Hash(next) {
		t.Errorf("a new configuration is held up: %v", err)
	}
	s.publishAs(ciToken, "orders", 503, "not_ready")

	held.put("shop-ci", "token", newToken)
	if err := s.Refresh(); err != nil || s.Status().ConfigError != "" {
		t.Errorf("%v, %q", err, s.Status().ConfigError)
	}
	s.publishAs(newToken, "orders", 200, "")
	s.publishAs(ciToken, "orders", 401, "token_refused")
}

func TestReadersAreTurnedAwayWhileTheirSecretsAreOfNoUse(t *testing.T) {
	held := newReferences(t)
	held.put("hmac", "secret", readersSecret)
	held.put("tickets", "secret", "tickets"+readersSecret)
	s := startWith(t, hub.Options{References: held.dir}, func(c *config.Config) { byJWT(c); withTickets(c) })
	token, ticket := asBearer(tokenOf(t, "alice", nil)), s.ticket(`{"topics":["orders"]}`)
	open := s.read("topic=orders", token...)
	open.expect("runnel-open", "live")

	held.put("tickets", "secret", "short")
	if err := s.Refresh(); err == nil || !strings.Contains(err.Error(), "Secret tickets, key secret: it has 5 bytes") {
		t.Errorf("%v", err)
	}
	s.read("topic=orders", token...).expect("runnel-open", "live")
	s.read("topic=orders&ticket="+ticket).expect("runnel-close", `"overloaded"`)

	held.put("hmac", "secret", readersSecret[:31])
	if err := s.Refresh(); err == nil {
		t.Error("a short secret is taken")
	}
	s.expectMissing("Secret hmac, key secret: it has 31 bytes", "Secret tickets, key secret: it has 5 bytes")
	s.read("topic=orders", token...).expect("runnel-close", `"overloaded"`)
	s.publish("orders", "goes on")
	open.expect("", "goes on")
}

// A set of public keys lets nobody in by being known.
func TestASetOfKeysThatBecomesOfNoUseStaysWhatItWas(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "e"}}})
	if err != nil {
		t.Fatal(err)
	}
	held := newReferences(t)
	held.put("jwks", "secret", string(set))
	s := startWith(t, hub.Options{References: held.dir}, func(c *config.Config) {
		byJWT(c)
		i := &c.Auth.Subscribers.JWT.Issuers[0]
		i.HMAC, i.JWKS = nil, secretOf("jwks")
	})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "e"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": idp, "sub": "alice", "aud": "shop", "exp": time.Now().Add(time.Hour).Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	s.read("topic=orders", asBearer(token)...).expect("runnel-open", "live")
	held.put("jwks", "secret", `{"keys":[`)
	if err := s.Refresh(); err == nil || !strings.Contains(s.Status().ConfigError, "what was there before is used") {
		t.Errorf("%v, %q", err, s.Status().ConfigError)
	}
	s.expectMissing()
	s.read("topic=orders", asBearer(token)...).expect("runnel-open", "live")
}

func TestARefusedConfigurationIsStillReportedAfterARefresh(t *testing.T) {
	held := newReferences(t)
	s := startWith(t, hub.Options{References: held.dir}, func(c *config.Config) { c.Auth.Publishers = keyed("ci") })
	bad := base()
	bad.Topics = nil
	if err := s.Reload(bad); err == nil {
		t.Error("it is loaded")
	}
	held.put("shop-ci", "token", ciToken)
	if err := s.Refresh(); err != nil || !strings.Contains(s.Status().ConfigError, "topics") {
		t.Errorf("%v, %q", err, s.Status().ConfigError)
	}
	s.publishAs(ciToken, "orders", 200, "")
}
