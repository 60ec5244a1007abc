package config_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runnel-dev/runnel/hub/config"
)

// planted plays additions of versions 2 and 3: fields of today, as if version 1 had not had them.
func planted() config.Additions {
	issuersIf := func(used func(config.TokenIssuer) bool) (func(*config.Config) bool, func(*config.Config)) {
		return func(c *config.Config) bool {
				return c.Auth.Subscribers.JWT != nil && slices.ContainsFunc(c.Auth.Subscribers.JWT.Issuers, used)
			}, func(c *config.Config) {
				if j := c.Auth.Subscribers.JWT; j != nil {
					j.Issuers = slices.DeleteFunc(j.Issuers, used)
				}
			}
	}
	row := func(field string, version int, used func(*config.Config) bool, leaveOut func(*config.Config)) config.Addition {
		return config.Addition{Field: field, Version: version, Used: used, LeaveOut: leaveOut}
	}
	jwt := func(c *config.Config) *config.JWT {
		if j := c.Auth.Subscribers.JWT; j != nil {
			return j
		}
		return &config.JWT{}
	}
	hasLifetime, dropLifetime := issuersIf(func(i config.TokenIssuer) bool { return i.MaxTokenLifetime != 0 })
	hasBundle, dropBundle := issuersIf(func(i config.TokenIssuer) bool { return i.CABundle != nil })
	hasHMAC, dropHMAC := issuersIf(func(i config.TokenIssuer) bool { return i.HMAC != nil })
	named := func(g config.Grant) bool { return g.Name != config.EveryAccount }
	return config.Additions{
		row("auth.subscribers.jwt.issuers.maxTokenLifetime", 2, hasLifetime, dropLifetime),
		row("auth.subscribers.jwt.issuers.caBundleRef", 3, hasBundle, dropBundle),
		row("auth.subscribers.jwt.issuers.hmac", 3, hasHMAC, dropHMAC),
		row("auth.subscribers.anonymous", 3, func(c *config.Config) bool { return c.Auth.Subscribers.Anonymous != nil },
			func(c *config.Config) { c.Auth.Subscribers.Anonymous = nil }),
		row("auth.subscribers.jwt.tickets", 2, func(c *config.Config) bool { return jwt(c).Tickets != nil }, func(c *config.Config) { jwt(c).Tickets = nil }),
		row("auth.subscribers.jwt.allowQueryToken", 2, func(c *config.Config) bool { return jwt(c).AllowQueryToken },
			func(c *config.Config) { jwt(c).AllowQueryToken = false }),
		row("auth.publishers.serviceAccounts.name", 2,
			func(c *config.Config) bool {
				return c.Auth.Publishers.ServiceAccounts != nil && slices.ContainsFunc(c.Auth.Publishers.ServiceAccounts.Grants, named)
			},
			func(c *config.Config) {
				if s := c.Auth.Publishers.ServiceAccounts; s != nil {
					s.Grants = slices.DeleteFunc(s.Grants, named)
				}
			}),
		row("auth.publishers.keys", 3, func(c *config.Config) bool { return len(c.Auth.Publishers.Keys) > 0 },
			func(c *config.Config) { c.Auth.Publishers.Keys = nil }),
		row("auth.publishers.anonymous", 2, func(c *config.Config) bool { return c.Auth.Publishers.Anonymous != nil },
			func(c *config.Config) { c.Auth.Publishers.Anonymous = nil }),
		row("cors.allowCredentials", 2, func(c *config.Config) bool { return c.CORS.AllowCredentials }, func(c *config.Config) { c.CORS.AllowCredentials = false }),
		row("limits.connectionsPerIdentity", 2, func(c *config.Config) bool { return c.Limits.ConnectionsPerIdentity != 0 },
			func(c *config.Config) { c.Limits.ConnectionsPerIdentity = 0 }),
	}
}

// upTo returns the additions that a hub of a version knows.
func upTo(a config.Additions, version int) config.Additions {
	return slices.DeleteFunc(slices.Clone(a), func(f config.Addition) bool { return f.Version > version })
}

// beyond returns what a configuration grants that another one does not; empty is nothing.
func beyond(c, of *config.Config) (more []string) {
	hold := func(ok bool, what string) {
		if !ok {
			more = append(more, what)
		}
	}
	s, t := c.Auth.Subscribers, of.Auth.Subscribers
	hold(s.Anonymous == nil || t.Anonymous != nil, "everybody may subscribe")
	if s.JWT != nil {
		j := t.JWT
		if j == nil {
			j = &config.JWT{}
		}
		for _, i := range s.JWT.Issuers {
			hold(slices.ContainsFunc(j.Issuers, func(o config.TokenIssuer) bool { return reflect.DeepEqual(i, o) }), "issuer "+i.Issuer)
		}
		hold(s.JWT.Cookie == "" || s.JWT.Cookie == j.Cookie, "the cookie")
		hold(s.JWT.Tickets == nil || reflect.DeepEqual(s.JWT.Tickets, j.Tickets), "tickets")
		hold(!s.JWT.AllowQueryToken || j.AllowQueryToken, "tokens in the query")
	}
	p, q := c.Auth.Publishers, of.Auth.Publishers
	hold(p.Anonymous == nil || q.Anonymous != nil, "everybody may publish")
	for _, k := range p.Keys {
		hold(slices.ContainsFunc(q.Keys, func(o config.Key) bool { return reflect.DeepEqual(k, o) }), "key "+k.Name)
	}
	if p.ServiceAccounts != nil {
		for _, g := range p.ServiceAccounts.Grants {
			hold(q.ServiceAccounts != nil && p.ServiceAccounts.Audience == q.ServiceAccounts.Audience &&
				slices.ContainsFunc(q.ServiceAccounts.Grants, func(o config.Grant) bool { return reflect.DeepEqual(g, o) }), "grant of "+g.Name)
		}
	}
	for _, o := range c.CORS.AllowedOrigins {
		hold(slices.Contains(of.CORS.AllowedOrigins, o), "origin "+o)
	}
	hold(!c.CORS.AllowCredentials || of.CORS.AllowCredentials, "credentials of other origins")
	return more
}

// configurationOf makes a valid configuration of any grants from a seed.
func configurationOf(seed uint64) *config.Config {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test repeats
	yes := func() bool { return r.IntN(2) == 0 }
	c := withAll()
	j := c.Auth.Subscribers.JWT
	for i := range j.Issuers {
		if yes() {
			j.Issuers[i].MaxTokenLifetime = config.Duration(time.Hour)
		}
	}
	if yes() {
		j.Issuers[0].CABundle = &config.Reference{Kind: config.KindConfigMap, Name: "authority", Key: "ca.crt"}
	}
	j.Issuers = j.Issuers[r.IntN(3):]
	if yes() {
		j.Tickets, j.Cookie = nil, ""
	}
	j.AllowQueryToken = yes()
	if r.IntN(4) == 0 {
		c.Auth.Subscribers = config.Subscribers{Anonymous: &config.Anonymous{}}
	}
	p := &c.Auth.Publishers
	if yes() {
		p.ServiceAccounts.Grants = append(p.ServiceAccounts.Grants, config.Grant{Namespace: "team-b", Name: "checkout", Topics: []string{"orders"}})
		p.ServiceAccounts.Grants = p.ServiceAccounts.Grants[r.IntN(2):]
	}
	switch r.IntN(4) {
	case 0:
		p.Keys = nil
	case 1:
		p.ServiceAccounts = nil
	case 2:
		*p = config.Publishers{Anonymous: &config.Anonymous{}}
	}
	if yes() {
		c.CORS = config.CORS{AllowedOrigins: []string{"https://shop.example"}, AllowCredentials: yes()}
	}
	if yes() {
		c.Limits.ConnectionsPerIdentity = 0
	}
	return c
}

// checkFit holds what Fit promises of a configuration and additions.
func checkFit(t *testing.T, a config.Additions, c *config.Config, version int) {
	t.Helper()
	before := config.Hash(c)
	fitted, left, err := a.Fit(c, version)
	if err != nil {
		t.Fatal(err)
	}
	if config.Hash(c) != before {
		t.Fatal("Fit changed the configuration that it was given")
	}
	if more := beyond(fitted, c); len(more) > 0 {
		t.Fatalf("the document for version %d grants more: %v", version, more)
	}
	document, err := config.Encode(fitted)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := upTo(a, version).Decode(document); err != nil {
		t.Fatalf("a hub of version %d refuses %s: %v", version, document, err)
	}
	if _, err := a.Decode(document); err != nil {
		t.Fatalf("a newer hub refuses %s: %v", document, err)
	}
	if again, leftAgain, err := a.Fit(fitted, version); err != nil || len(leftAgain) > 0 || config.Hash(again) != config.Hash(fitted) {
		t.Fatalf("the document for version %d still uses %v (%v)", version, leftAgain.Fields(), err)
	}
	if (a.Needed(c) > version) != (len(left) > 0) {
		t.Fatalf("it needs version %d, and for version %d %v is left out", a.Needed(c), version, left.Fields())
	}
}

func FuzzADocumentForAnOlderHubGrantsNothingMore(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, 1+int(seed%3))
	}
	f.Fuzz(func(t *testing.T, seed uint64, version int) {
		checkFit(t, planted(), configurationOf(seed), 1+max(version, -version)%3)
	})
}

// Each real addition has to keep the promise for a configuration that uses it.
func TestEveryAdditionKeepsItsPromise(t *testing.T) {
	examples := map[string]*config.Config{} // by the field of each addition
	for _, f := range config.Added() {
		c := examples[f.Field]
		if c == nil || !f.Used(c) || f.Version < 2 {
			t.Errorf("%s has no example that uses it", f.Field)
			continue
		}
		checkFit(t, config.Added(), c, f.Version-1)
	}
	if config.Added().Version() != config.Version {
		t.Errorf("the additions are of version %d, and the code of %d", config.Added().Version(), config.Version)
	}
}

// The property above notices an addition that leaves out a restriction alone.
func TestARestrictionThatIsLeftOutAloneGrantsMore(t *testing.T) {
	c := withAll()
	c.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime = config.Duration(time.Hour)
	wrong := config.Additions{{Field: "maxTokenLifetime", Version: 2,
		Used:     func(c *config.Config) bool { return c.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime != 0 },
		LeaveOut: func(c *config.Config) { c.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime = 0 }}}
	fitted, _, err := wrong.Fit(c, 1)
	if err != nil || !slices.Equal(beyond(fitted, c), []string{"issuer https://a"}) {
		t.Errorf("%v, %v", beyond(fitted, c), err)
	}
}

func TestADocumentHasTheLowestVersionThatExpressesIt(t *testing.T) {
	lifetime := func(c *config.Config) {
		c.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime = config.Duration(time.Hour)
	}
	onlyHMAC := func(c *config.Config) { c.Auth.Subscribers.JWT.Issuers = c.Auth.Subscribers.JWT.Issuers[2:] }
	plain := func(c *config.Config) {
		*c = *valid()
		c.Auth.Subscribers = withAll().Auth.Subscribers
		onlyIssuers(c, 2)
	}
	for name, c := range map[string]struct {
		change  func(*config.Config)
		hub     int
		version int
		left    string
		holds   func(*config.Config) bool
	}{
		"nothing new, for a new hub":     {plain, 3, 1, "", func(c *config.Config) bool { return len(c.Auth.Subscribers.JWT.Issuers) == 2 }},
		"nothing new, for an old hub":    {plain, 1, 1, "", func(c *config.Config) bool { return len(c.Auth.Subscribers.JWT.Issuers) == 2 }},
		"a restriction, for a new hub":   {func(c *config.Config) { plain(c); lifetime(c) }, 3, 2, "", func(c *config.Config) bool { return c.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime != 0 }},
		"a restriction, for its version": {func(c *config.Config) { plain(c); lifetime(c) }, 2, 2, "", func(c *config.Config) bool { return c.Auth.Subscribers.JWT.Issuers[0].MaxTokenLifetime != 0 }},
		"a restriction takes its issuer with it": {func(c *config.Config) { plain(c); lifetime(c) }, 1, 1, "auth.subscribers.jwt.issuers.maxTokenLifetime needs version 2",
			func(c *config.Config) bool {
				return len(c.Auth.Subscribers.JWT.Issuers) == 1 && c.Auth.Subscribers.JWT.Issuers[0].Issuer == "https://b"
			}},
		"the last issuer goes": {func(c *config.Config) {
			plain(c)
			*c.Auth.Subscribers.JWT = *withAll().Auth.Subscribers.JWT
			c.Auth.Subscribers.JWT.Tickets = nil
			c.Auth.Subscribers.JWT.AllowQueryToken = false
			onlyHMAC(c)
		}, 2, 1, "auth.subscribers.jwt.issuers.hmac needs version 3", func(c *config.Config) bool { return c.Auth.Subscribers.Nobody != nil && c.Auth.Subscribers.JWT == nil }},
		"the last publisher goes": {func(c *config.Config) {
			plain(c)
			c.Auth.Publishers = config.Publishers{Anonymous: &config.Anonymous{}}
		}, 1, 1, "auth.publishers.anonymous needs version 2", func(c *config.Config) bool {
			return c.Auth.Publishers.Nobody != nil && c.Auth.Publishers.Anonymous == nil
		}},
		"a limit goes alone": {func(c *config.Config) { plain(c); c.Limits.ConnectionsPerIdentity = 5 }, 1, 1, "limits.connectionsPerIdentity needs version 2", func(c *config.Config) bool { return len(c.Auth.Subscribers.JWT.Issuers) == 2 }},
		"one of two versions goes": {func(c *config.Config) {
			plain(c)
			c.Limits.ConnectionsPerIdentity = 5
			c.Auth.Publishers.Keys = withAll().Auth.Publishers.Keys
		}, 2, 2, "auth.publishers.keys needs version 3",
			func(c *config.Config) bool {
				return c.Limits.ConnectionsPerIdentity == 5 && c.Auth.Publishers.ServiceAccounts != nil
			}},
	} {
		t.Run(name, func(t *testing.T) {
			full := withAll()
			c.change(full)
			fitted, left, err := planted().Fit(full, c.hub)
			if err != nil || fitted.Version != c.version || strings.Join(left.Fields(), "; ") != c.left || !c.holds(fitted) {
				t.Errorf("version %d without %v (%v): %+v", fitted.Version, left.Fields(), err, fitted)
			}
		})
	}
}

// onlyIssuers leaves the first issuers, and nothing else that tokens may come by.
func onlyIssuers(c *config.Config, n int) {
	j := c.Auth.Subscribers.JWT
	j.Issuers, j.Tickets, j.AllowQueryToken = j.Issuers[:n], nil, false
}

func TestAHubReadsEveryVersionUpToItsOwn(t *testing.T) {
	document, err := config.Encode(valid())
	if err != nil {
		t.Fatal(err)
	}
	limits := config.Additions{{Field: "limits.connectionsPerIdentity", Version: 3,
		Used: func(c *config.Config) bool { return c.Limits.ConnectionsPerIdentity != 0 }, LeaveOut: func(*config.Config) {}}}
	limited := valid()
	limited.Limits.ConnectionsPerIdentity = 5
	new3, err := config.Encode(limited)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		hub      config.Additions
		document []byte
		version  string
		want     string
	}{
		"the oldest":                 {limits, document, "1", ""},
		"one between":                {limits, document, "2", ""},
		"its own":                    {limits, new3, "3", ""},
		"a field of a later version": {limits, new3, "2", "version: 2 has no limits.connectionsPerIdentity: write 3"},
		"a newer one":                {limits, document, "4", "version: 4 is not known to this hub, it reads 1 to 3"},
		"none":                       {limits, document, "0", "version: 0 is not known to this hub, it reads 1 to 3"},
		"a fraction":                 {limits, document, "1.5", "version: 1.5 is not known to this hub, it reads 1 to 3"},
		"a negative one":             {limits, document, "-1", "version: -1 is not known to this hub, it reads 1 to 3"},
		"a newer one, for today's":   {config.Added(), document, "2", "version: 2 is not known to this hub, it reads 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.hub.Decode(bytes.Replace(c.document, []byte(`"version": 1`), []byte(`"version": `+c.version), 1))
			var version *config.VersionError
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || err.Error() != c.want):
				t.Errorf("%v, want %q", err, c.want)
			case strings.Contains(c.want, "not known") && !errors.As(err, &version):
				t.Errorf("%T is no VersionError", err)
			}
		})
	}
}
