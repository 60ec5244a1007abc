package hub

import (
	"maps"
	"net/http"
	"slices"

	"github.com/runnel-dev/runnel/hub/http1"
)

// response is an answer that net/http does not write.
type response struct {
	header http.Header
	status int
	body   []byte
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// fields are the headers in the order of their names.
func (w *response) fields() (all []http1.Field) {
	for _, name := range slices.Sorted(maps.Keys(w.header)) {
		for _, value := range w.header[name] {
			all = append(all, http1.Field{Name: name, Value: value})
		}
	}
	return all
}

// answer appends the answer to a request.
func (w *response) answer(r *http1.Request, answers []byte) []byte {
	r.Close = r.Close || w.header.Get("Connection") == "close"
	w.header.Del("Connection")
	return r.AppendAnswer(answers, w.status, w.body, w.fields()...)
}
