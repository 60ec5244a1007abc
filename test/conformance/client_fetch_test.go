package conformance_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/runnel-dev/runnel/test/browser"
)

// fetchClient is Microsoft's library on fetch, in Chromium.
var fetchClient = client{
	name: "@microsoft/fetch-event-source in Chromium",
	missing: func() string {
		if missing := missingChromium(); missing != "" {
			return missing
		}
		return missingPackages()
	},
	open: openFetch(false),
	bare: openFetch(true),
	note: "It takes a stream's end for its completion: `onclose` must throw for it to come back. " +
		"Its `last-event-id` names an event that may be cut off: its option `fetch` must send the id of the last that was delivered.",
	broken: func(before, _, _, after browser.Event) types.GomegaMatcher {
		return Equal([]browser.Event{before, after})
	},
	brokenNote: "Without such a `fetch`, an event that is cut within its data is lost.",
	data: func(data string) string {
		lines := strings.Split(data, "\n")
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], "\uFEFF")
		}
		return strings.TrimLeft(strings.Join(lines, "\n"), "\n")
	},
	dataNote: "It drops empty lines at the beginning of data, and a byte order mark at the beginning of a line.",
}

// openFetch lets a page read by the library, bare or with a fetch that knows what was delivered.
func openFetch(bare bool) func(url string) func(context.Context, func(browser.Event)) error {
	return func(url string) func(context.Context, func(browser.Event)) error {
		p := chromium.Visit(serveFetchPage())
		browser.Evaluate[bool](p, fmt.Sprintf("read(%s, %t), true", quoted(url), bare))
		return follow(p)
	}
}

// serveFetchPage serves the page with Microsoft's library, and returns its URL.
func serveFetchPage() string {
	GinkgoHelper()
	page, err := os.ReadFile(filepath.Join("testdata", "fetch.html"))
	Expect(err).NotTo(HaveOccurred())
	library := filepath.Join(packages, "@microsoft", "fetch-event-source", "lib", "esm")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { browser.ServeHTML(w, page) })
	mux.HandleFunc("GET /library/{name}", func(w http.ResponseWriter, r *http.Request) {
		// Its modules name each other without an extension, as bundlers like it.
		name := strings.TrimSuffix(path.Base(r.PathValue("name")), ".js") + ".js"
		http.ServeFile(w, r, filepath.Join(library, name))
	})
	s := httptest.NewServer(mux)
	DeferCleanup(s.Close)
	return s.URL
}
