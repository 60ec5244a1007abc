package conformance_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	server "github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/browser"
	"github.com/runnel-dev/runnel/test/conformance/cut"
)

// What readers' tokens are made of.
const (
	issuer   = "https://idp.example"
	audience = "conformance"
	cookie   = "conformance_token"
	granted  = "conformance.granted"
)

// secrets are what the hub verifies tokens and seals tickets with, by name; each has the one entry `secret`.
var secrets = map[string]string{"hmac": strings.Repeat("h", 32), "tickets": strings.Repeat("t", 32)}

// startGuardedHub starts a hub that pages of home may read with a token.
func startGuardedHub() *target {
	GinkgoHelper()
	const entry = "secret"
	dir := GinkgoT().TempDir()
	reference := func(name string) *config.Reference {
		path := filepath.Join(dir, "secrets", name)
		Expect(os.MkdirAll(path, 0o700)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(path, entry), []byte(secrets[name]), 0o600)).To(Succeed())
		return &config.Reference{Kind: config.KindSecret, Name: name, Key: entry}
	}
	return startHubWith(server.Options{References: dir}, func(c *config.Config) {
		c.CORS = config.CORS{AllowedOrigins: []string{home}, AllowCredentials: true}
		c.Auth.Subscribers = config.Subscribers{JWT: &config.JWT{
			Issuers: []config.TokenIssuer{{Issuer: issuer, Audiences: []string{audience}, HMAC: reference("hmac"), Topics: []string{granted}}},
			Cookie:  cookie,
			Tickets: reference("tickets"),
		}}
	})
}

// token is a reader's.
func token() string {
	GinkgoHelper()
	claims := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "reader", "exp": time.Now().Add(time.Hour).Unix()}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secrets["hmac"]))
	Expect(err).NotTo(HaveOccurred())
	return text
}

var _ = Describe("A page of a stream with readers' tokens", func() {
	// refused holds that a page's source is closed, and that the page can read why.
	refused := func(own *target, topic string, withCredentials bool, status int) {
		GinkgoHelper()
		url := own.url([]string{topic})
		p := chromium.Open(home, browser.Reads{URL: url, WithCredentials: withCredentials})
		Eventually(p.Log).Should(HaveLen(1))
		Expect(p.Log()[0]).To(And(HaveField("By", "onerror"), HaveField("State", browser.Closed)))
		mode := map[bool]string{false: "omit", true: "include"}[withCredentials]
		Expect(browser.Evaluate[int](p, fmt.Sprintf("fetch(%s, {credentials: %q}).then(r => r.status)", quoted(url), mode))).To(Equal(status))
	}

	It(by(native, "reads by a cookie what it is granted; else it is refused with 401 or 403 and closed for good"), func() {
		needs(missingChromium())
		needsOwnHub()
		own := startGuardedHub()
		refused(own, granted, true, http.StatusUnauthorized)
		keeper := chromium.Visit(home)
		set := func(value string) { browser.Evaluate[string](keeper, "document.cookie = "+quoted(cookie+"="+value)) }
		set(token() + "; path=/; max-age=600")
		DeferCleanup(func() { set("; path=/; max-age=0") }) // other hubs have this host too
		p := chromium.Open(home, browser.Reads{URL: own.url([]string{granted}), WithCredentials: true})
		Eventually(p.Resumes).Should(Equal([]string{"live"}))
		e := own.send(granted, "", "for the holder of a token")
		Eventually(p.Received).Should(Equal([]browser.Event{e}))
		refused(own, "conformance.other", true, http.StatusForbidden)
		refused(own, granted, false, http.StatusUnauthorized)
	})

	It(by(native, "reads by a ticket, and comes back by the same"), func() {
		needs(missingChromium())
		needsOwnHub()
		own := startGuardedHub()
		proxy, err := cut.Listen(own.addr(), nil)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(proxy.Close)
		base := "http://" + proxy.Addr()
		ticket := browser.Evaluate[string](chromium.Visit(home), fmt.Sprintf(
			`fetch(%s, {method: "POST", headers: {"Authorization": "Bearer %s", "Content-Type": "application/json"}, body: %s})
				.then(r => r.json()).then(answer => answer.ticket)`,
			quoted(base+"/v1/tickets"), token(), quoted(fmt.Sprintf(`{"topics":[%q]}`, granted))))
		p := chromium.Open(home, browser.Reads{URL: at(base, []string{granted}, "ticket", ticket)})
		Eventually(p.Resumes).Should(Equal([]string{"live"}))
		before := own.send(granted, "", "before")
		Eventually(p.Received).Should(Equal([]browser.Event{before}))
		proxy.CutAll(cut.RST)
		Eventually(p.Resumes).Should(Equal([]string{"live", "exact"}))
		after := own.send(granted, "", "after")
		Eventually(p.Received).Should(Equal([]browser.Event{before, after}))
		p.NeverClosed()
	})
})
