package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
)

// exampleURL is what the documents' code reads.
const exampleURL = "https://events.example/v1/events?topic=orders&topic=prices.*"

// Snippet returns the JavaScript of a document of the repository, the one block that holds a text. It reads another URL, which has a
// query. The tests of two packages use it, each two directories below the repository's.
func Snippet(document, holds, url string) string {
	ginkgo.GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(document)))
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	var found []string
	for _, block := range regexp.MustCompile("(?s)```js\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(block[1], holds) {
			found = append(found, block[1])
		}
	}
	gomega.Expect(found).To(gomega.HaveLen(1), "%s in %s", holds, document)
	return strings.ReplaceAll(found[0], exampleURL, url)
}

// ServeSharedWorker serves the documents' page that reads by a shared worker, and returns the origin. The page sets began once the worker
// reads the URL and the page may miss nothing any more.
func ServeSharedWorker(url string) string {
	ginkgo.GinkgoHelper()
	const document = "docs/browsers.md"
	// The page joins when the worker's source is open already, or it gets runnel-open.
	const began = "let began = false;\nport.addEventListener('message', ({ data: e }) => { began ||= e.id !== ''; });\n"
	return ServeFiles(map[string]string{
		"/":          PageOf(Snippet(document, "// tab.js", url) + began),
		"/events.js": Snippet(document, "// events.js", url),
	})
}

// ServeFiles serves files by their paths on an origin of its own, and returns the origin.
func ServeFiles(files map[string]string) string {
	ginkgo.GinkgoHelper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := files[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case path.Ext(r.URL.Path) == ".js":
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write([]byte(file)) // a browser that went away shows in the page
		default:
			ServeHTML(w, []byte(file))
		}
	}))
	ginkgo.DeferCleanup(s.Close)
	return s.URL
}

// Console is a script that keeps what a page logs in the array shown, its warnings in warned, and the states of its sources as they fail in
// failures.
const Console = `
const shown = [], warned = [], failures = [];
console.log = (...values) => shown.push(values);
console.warn = (...values) => warned.push(values);
window.EventSource = class extends EventSource {
  constructor(...values) {
    super(...values);
    this.addEventListener("error", () => failures.push(this.readyState));
  }
};
`

// PageOf returns a page that runs a script.
func PageOf(script string) string {
	return "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Reader</title>\n<script>" + Console + script + "</script>\n"
}
