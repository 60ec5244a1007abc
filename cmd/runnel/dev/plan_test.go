package dev

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/config/crd"
	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
)

const head = "apiVersion: runnel.dev/v1alpha1\nkind: EventStream\nmetadata: {name: shop}\n"

// stream is a manifest with these lines below its spec.
func stream(lines ...string) string {
	return head + "spec:\n  " + strings.Join(append(lines, "auth: {subscribers: {anonymous: {}}}"), "\n  ") + "\n"
}

func planned(t *testing.T, text string, insecurePublish bool) *plan {
	t.Helper()
	reader, err := manifest.NewReader(crd.EventStreams)
	if err != nil {
		t.Fatal(err)
	}
	m, err := reader.Read("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(m, insecurePublish)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDrainIsShortHere(t *testing.T) {
	if got := planned(t, stream("topics: [{name: a}]"), false).config.Drain.Window.D(); got != maxDrain {
		t.Errorf("the built-in window became %s, not %s", got, maxDrain)
	}
}

func TestPublishers(t *testing.T) {
	for name, c := range map[string]struct {
		publishers string
		insecure   bool
		open       bool
		note       string
	}{
		"ServiceAccounts by default":  {"", false, false, "nobody can publish: it takes a token of a ServiceAccount of namespace default, which only a cluster can give; start with --insecure-publish"},
		"named ServiceAccounts":       {", publishers: {serviceAccounts: [{name: till}, {namespace: b, name: '*'}]}", false, false, "ServiceAccount default/till or b/*, which only"},
		"everybody in their place":    {"", true, true, "in a cluster it takes a token of a ServiceAccount of namespace default"},
		"everybody by the manifest":   {", publishers: {anonymous: {}}", false, true, ""},
		"everybody by both, no doubt": {", publishers: {anonymous: {}}", true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := planned(t, head+"spec: {topics: [{name: a}], auth: {subscribers: {anonymous: {}}"+c.publishers+"}}\n", c.insecure)
			if p.openToPublish() != c.open {
				t.Errorf("open to publish: %t", !c.open)
			}
			if got := strings.Join(p.notes, "\n"); !strings.Contains(got, c.note) || (c.note == "") != (got == "") {
				t.Errorf("notes %q, want %q", got, c.note)
			}
			if err := p.config.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNotesOfWhatIsSkipped(t *testing.T) {
	p := planned(t, stream("topics: [{name: a}]", "suspend: true", "template: {nodeSelector: {a: b}}")+
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n", true)
	for _, want := range []string{`Service "web" is skipped`, "spec.template is skipped", "spec.suspend is skipped"} {
		if !slices.ContainsFunc(p.notes, func(n string) bool { return strings.HasPrefix(n, want) }) {
			t.Errorf("no note %q in %q", want, p.notes)
		}
	}
}

func TestNotesOfKeysInACluster(t *testing.T) {
	p := planned(t, head+`spec:
  topics: [{name: a}]
  auth:
    publishers: {anonymous: {}}
    subscribers:
      jwt:
        issuers:
        - {issuer: near, audiences: [shop], jwksURI: "http://id.infra.svc/keys", topics: [a]}
        - {issuer: far, audiences: [shop], jwksURI: "https://id.example/keys", topics: [a]}
        - {issuer: file, audiences: [shop], jwks: {configMapRef: {name: partner}}, topics: [a]}
`, false)
	want := []string{"readers with tokens of issuer near are not let in: only a cluster knows the host of http://id.infra.svc/keys"}
	if !slices.Equal(p.notes, want) {
		t.Errorf("got %q, want %q", p.notes, want)
	}
}

func TestNotesAreSaidOnceUnlessTheTemplateChanges(t *testing.T) {
	one := planned(t, stream("topics: [{name: a}]", "template: {nodeSelector: {a: b}}"), true)
	same := planned(t, stream("topics: [{name: b}]", "template: {nodeSelector: {a: b}}"), true)
	other := planned(t, stream("topics: [{name: b}]", "template: {nodeSelector: {a: c}}"), true)
	if got := same.newNotes(one); len(got) != 0 {
		t.Errorf("said again: %q", got)
	}
	if got := other.newNotes(same); !slices.Equal(got, []string{noteTemplate}) {
		t.Errorf("got %q", got)
	}
}

func TestAnotherStreamDoesNotFollow(t *testing.T) {
	shop := planned(t, stream("topics: [{name: a}]"), true)
	desk := planned(t, strings.Replace(stream("topics: [{name: a}]"), "shop", "desk", 1), true)
	if err := shop.follows(shop); err != nil {
		t.Error(err)
	}
	if err := desk.follows(shop); err == nil || !strings.Contains(err.Error(), "default/desk, another EventStream than default/shop") {
		t.Errorf("got %v", err)
	}
}

func TestExampleTopic(t *testing.T) {
	for _, c := range []struct{ topics, want string }{
		{"orders", "orders"},
		{"prices.* orders", "orders"},
		{"prices.* runs.>", "prices.example"},
		{"*.eu.>", "example.eu.example"},
		{">", "example"},
	} {
		var topics []config.Topic
		for name := range strings.FieldsSeq(c.topics) {
			topics = append(topics, config.Topic{Name: name, Events: 1, Age: config.Duration(time.Hour)})
		}
		if got := exampleTopic(topics); got != c.want {
			t.Errorf("%s: got %s, want %s", c.topics, got, c.want)
		}
	}
}

func TestBanner(t *testing.T) {
	at := hub.Addrs{Subscribe: "127.0.0.1:1", Publish: "127.0.0.1:2", Admin: "127.0.0.1:3"}
	for name, c := range map[string]struct {
		cors string
		want string
	}{
		"every origin":  {"cors: {allowedOrigins: ['*']}", "in any page's console"},
		"some origins":  {"cors: {allowedOrigins: ['https://a.example', 'https://b.example']}", "in the console of a page of https://a.example or https://b.example"},
		"no origin":     {"cors: {}", "in the console of a page of http://127.0.0.1:1, since spec.cors allows no other"},
		"address":       {"cors: {}", "publish    http://127.0.0.1:2\n"},
		"publish line":  {"cors: {}", "\n  curl -d '{\"hello\":\"world\"}' http://127.0.0.1:2/v1/topics/orders   # needs --insecure-publish\n"},
		"read line":     {"cors: {}", "\n  curl -N 'http://127.0.0.1:1/v1/events?topic=orders'\n"},
		"browser lines": {"cors: {}", "\n  new EventSource('http://127.0.0.1:1/v1/events?topic=orders').onmessage = e => console.log(e.data)"},
	} {
		t.Run(name, func(t *testing.T) {
			got := banner(planned(t, stream("topics: [{name: prices.*}, {name: orders}]", c.cors), false), at, "")
			if !strings.Contains(got, c.want) {
				t.Errorf("no %q in\n%s", c.want, got)
			}
		})
	}
}

func TestBannerOfAStreamWithIdentity(t *testing.T) {
	const jwt = "jwt: {issuers: [{issuer: 'https://id.example', audiences: [a], hmac: {secretRef: {name: shop-hmac}}, topics: ['>']}]}"
	text := head + "spec:\n  topics: [{name: a}]\n  tls: {secretName: shop-tls}\n  auth:\n    subscribers: {" + jwt +
		"}\n    publishers: {keys: [{name: ci, secretRef: {name: shop-ci, key: token}, topics: [a]}]}\n"
	p := planned(t, text, false)
	at := hub.Addrs{Subscribe: "127.0.0.1:1", Publish: "127.0.0.1:2", Admin: "127.0.0.1:3"}
	got := banner(p, at, "refs")
	for _, want := range []string{
		"subscribe  https://127.0.0.1:1\n", "publish    https://127.0.0.1:2\n", "admin      http://127.0.0.1:3\n",
		"\n  curl -N -H \"Authorization: Bearer $TOKEN\" 'https://127.0.0.1:1/v1/events?topic=a'   # a token of https://id.example\n",
		"\n  curl -H \"Authorization: Bearer $(cat refs/secrets/shop-ci/token)\" -d '{\"hello\":\"world\"}' https://127.0.0.1:2/v1/topics/a\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "EventSource(") {
		t.Errorf("a browser's line that cannot work in\n%s", got)
	}
	if got := banner(p, at, ""); !strings.Contains(got, "Bearer $KEY\"") || !strings.Contains(got, "# the key ci") {
		t.Errorf("without a directory:\n%s", got)
	}
	missing := []string{"Secret shop-ci, key token", "Secret shop-tls, key tls.crt: no PEM", "keys of the cluster's token issuer"}
	if got, want := waits(p.config, missing, "refs"), "Waiting for Secret shop-ci, key token: put it into refs/secrets/shop-ci/token.\n"+
		"Waiting for Secret shop-tls, key tls.crt: no PEM: put it into refs/secrets/shop-tls/tls.crt.\n"; got != want {
		t.Errorf("got %s", got)
	}
	if got := waits(p.config, missing, ""); !strings.Contains(got, "start with --references DIR, and put it into DIR/secrets/shop-ci/token.\n") {
		t.Errorf("got %s", got)
	}
}
