package issuer

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	"github.com/runnel-dev/runnel/hub/config"
)

// fakeCluster answers what it was last told.
type fakeCluster struct {
	mu    sync.Mutex
	url   string
	keys  []Key
	err   error
	reads int
}

func (f *fakeCluster) Read(context.Context) (string, []Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	return f.url, f.keys, f.err
}

func (f *fakeCluster) set(url string, err error, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.url, f.err, f.keys = url, err, nil
	for _, id := range ids {
		f.keys = append(f.keys, Key{ID: id, JWK: `{"kid":"` + id + `"}`})
	}
}

// running starts a poller in a bubble of false time and ends it with the test.
func running(t *testing.T, f *fakeCluster) *Poller {
	p := NewPoller(f)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	return p
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func told(p *Poller) bool {
	select {
	case <-p.Changed():
		return true
	default:
		return false
	}
}

func issuers(text ...string) []config.Issuer {
	var out []config.Issuer
	for i := 0; i < len(text); i += 2 {
		out = append(out, config.Issuer{URL: text[i], Keys: []byte(text[i+1])})
	}
	return out
}

func TestKeysAreKnownAtOnceAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &fakeCluster{}
		f.set("https://a", nil, "2", "1")
		p := running(t, f)
		g.Expect(p.State()).To(Equal(State{Issuers: issuers("https://a", `{"keys":[{"kid":"1"},{"kid":"2"}]}`)}))
		g.Expect(told(p)).To(BeTrue())
		f.set("https://a", nil, "1", "2")
		pass(interval)
		g.Expect(f.reads).To(Equal(2))
		g.Expect(told(p)).To(BeFalse(), "another order is no change")
	})
}

func TestAVanishedKeyIsKeptForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &fakeCluster{}
		f.set("https://a", nil, "1")
		p := running(t, f)
		g.Expect(told(p)).To(BeTrue())
		f.set("https://a", nil, "2")
		pass(interval)
		g.Expect(told(p)).To(BeTrue())
		g.Expect(p.State().Issuers).To(Equal(issuers("https://a", `{"keys":[{"kid":"1"},{"kid":"2"}]}`)))
		pass(keep - interval)
		g.Expect(told(p)).To(BeFalse())
		pass(2 * interval)
		g.Expect(told(p)).To(BeTrue())
		g.Expect(p.State().Issuers).To(Equal(issuers("https://a", `{"keys":[{"kid":"2"}]}`)))
	})
}

func TestAnEarlierIssuerIsKeptToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &fakeCluster{}
		f.set("https://b", nil, "1")
		p := running(t, f)
		f.set("https://a", nil, "1")
		pass(interval)
		g.Expect(p.State().Issuers).To(Equal(issuers("https://a", `{"keys":[{"kid":"1"}]}`, "https://b", `{"keys":[{"kid":"1"}]}`)))
	})
}

func TestStreamsDoNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &fakeCluster{}
		f.set("", errors.New("not found"))
		p := running(t, f)
		g.Expect(p.State().Pending).To(BeTrue())
		g.Expect(told(p)).To(BeFalse())
		pass(patience * firstInterval)
		g.Expect(p.State().Pending).To(BeFalse())
		g.Expect(p.State().Err).To(MatchError("not found"))
		g.Expect(told(p)).To(BeTrue())
		f.set("https://a", nil, "1")
		pass(firstInterval)
		g.Expect(p.State().Err).NotTo(HaveOccurred())
		g.Expect(p.State().Issuers).To(HaveLen(1))
		g.Expect(told(p)).To(BeTrue())
	})
}

func TestKnownKeysOutliveAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &fakeCluster{}
		f.set("https://a", nil, "1")
		p := running(t, f)
		g.Expect(told(p)).To(BeTrue())
		f.set("", errors.New("away"))
		pass(2 * keep)
		g.Expect(told(p)).To(BeFalse())
		g.Expect(p.State().Issuers).To(HaveLen(1))
		g.Expect(p.State().Err).NotTo(HaveOccurred())
	})
}

func TestClusterReadsTheAPIServersDiscovery(t *testing.T) {
	const provider = `{"issuer":"https://kubernetes.default.svc","jwks_uri":"https://elsewhere/keys"}`
	for name, c := range map[string]struct {
		provider, keys string
		want           []Key
		err            string
	}{
		"keys": {provider, `{"keys":[{"kty":"RSA","kid":"b","n":"AQ"},{"kid":"a","kty":"EC"}]}`,
			[]Key{{"b", `{"kid":"b","kty":"RSA","n":"AQ"}`}, {"a", `{"kid":"a","kty":"EC"}`}}, ""},
		"no issuer":       {`{}`, `{}`, nil, "names no issuer"},
		"no keys":         {provider, `{"keys":[]}`, nil, "holds no keys"},
		"a shared secret": {provider, `{"keys":[{"kty":"oct","k":"AQ"}]}`, nil, "no public key"},
		"no JSON":         {provider, `<html>`, nil, keysPath},
		"no discovery":    {"", "", nil, discoveryPath},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			mux := http.NewServeMux()
			if c.provider != "" {
				mux.HandleFunc("GET "+discoveryPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.provider)) })
				mux.HandleFunc("GET "+keysPath, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/jwk-set+json")
					_, _ = w.Write([]byte(c.keys))
				})
			}
			server := httptest.NewServer(mux)
			defer server.Close()
			cluster, err := NewCluster(&rest.Config{Host: server.URL}, server.Client())
			g.Expect(err).NotTo(HaveOccurred())
			url, keys, err := cluster.Read(t.Context())
			if c.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(url).To(Equal("https://kubernetes.default.svc"))
			g.Expect(keys).To(Equal(c.want))
		})
	}
}
