package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
)

var _ = Describe("The operator's metrics", func() {
	It("are for those whom the cluster lets get them, and by HTTPS", func(ctx SpecContext) {
		Eventually(func() error {
			_, err := operatorWork(ctx)
			return err
		}).Should(Succeed(), "it may be about to start")
		pod, err := operatorPod(ctx)
		Expect(err).NotTo(HaveOccurred())
		address := net.JoinHostPort(pod.Status.PodIP, "8443")
		ns := newNamespace(ctx)
		may, err := apiToken(ctx, operatorNamespace, scraper)
		Expect(err).NotTo(HaveOccurred())
		mayNot, err := apiToken(ctx, ns, publisher)
		Expect(err).NotTo(HaveOccurred())
		other, err := p.Token(ctx, operatorNamespace, scraper, "somebody.else")
		Expect(err).NotTo(HaveOccurred())
		for who, c := range map[string]struct {
			scheme, token string
			want          types.GomegaMatcher
		}{
			"who may":     {"https", may, Equal(http.StatusOK)},
			"who may not": {"https", mayNot, Equal(http.StatusForbidden)},
			"nobody":      {"https", "", Equal(http.StatusUnauthorized)},
			// Where the API server says why a token is no good, the library makes a 500 of it.
			"a made-up token":                  {"https", "a.b.c", BeElementOf(http.StatusUnauthorized, http.StatusInternalServerError)},
			"a token that is for another door": {"https", other, BeElementOf(http.StatusUnauthorized, http.StatusInternalServerError)},
			"in clear text":                    {"http", may, Equal(http.StatusBadRequest)},
		} {
			status, err := getMetrics(ctx, c.scheme+"://"+address, c.token)
			Expect(err).NotTo(HaveOccurred(), who)
			Expect(status).To(c.want, who)
		}
	})
})

func getMetrics(ctx context.Context, server, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// The certificate is made by the operator itself at each start.
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	return answer.StatusCode, answer.Body.Close()
}
