package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The operator's metrics", func() {
	It("are for those whom the cluster lets get them, and by HTTPS", func(ctx SpecContext) {
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
			want          int
		}{
			"who may":                          {"https", may, http.StatusOK},
			"who may not":                      {"https", mayNot, http.StatusForbidden},
			"nobody":                           {"https", "", http.StatusUnauthorized},
			"a made-up token":                  {"https", "a.b.c", http.StatusUnauthorized},
			"a token that is for another door": {"https", other, http.StatusUnauthorized},
			"in clear text":                    {"http", may, http.StatusBadRequest},
		} {
			status, err := getMetrics(ctx, c.scheme+"://"+address, c.token)
			Expect(err).NotTo(HaveOccurred(), who)
			Expect(status).To(Equal(c.want), who)
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
