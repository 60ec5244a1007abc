package hub_test

import (
	"regexp"
	"strings"
	"testing"
)

// goWords are what Go says of itself.
var goWords = regexp.MustCompile(`Go (value|struct)|json: |RawMessage|interface|map\[|\[\]|strconv|<nil>|%!|\bEOF\b|hub\.|float64|int64`)

// TestNoErrorNamesATypeOfGo sends JSON of every kind in the place of every other, in every form that takes JSON.
func TestNoErrorNamesATypeOfGo(t *testing.T) {
	s := startJWT(t, withTickets)
	publish, subscribe := "http://"+s.Addrs().Publish, "http://"+s.Addrs().Subscribe
	values := []string{`7`, `"x"`, `[]`, `[7]`, `{}`, `{"a":1}`, `true`, `1e400`, `tru`, `{`, `["`, ``}
	of := func(names ...string) (bodies []string) {
		bodies = values
		for _, name := range names {
			for _, value := range values {
				bodies = append(bodies, `{"`+name+`":`+value+`,"topic":"orders","data":1}`, `{"`+name+`":`+value+`}`)
			}
		}
		return append(bodies, `{"`+strings.Repeat("x", 20<<10)+`":1}`, `{"topic":"orders","data":1}}`)
	}
	alice := asBearer(tokenOf(t, "alice", nil))
	for name, c := range map[string]struct {
		url, contentType string
		bodies           []string
	}{
		"document": {publish + "/v1/publish", jsonType, of("topic", "topics", "type", "id", "key", "ttl", "data", "dataBase64", "x")},
		"lines":    {publish + "/v1/publish", linesType, []string{strings.Join(of("topic", "topics", "ttl", "dataBase64"), "\n")}},
		"event":    {publish + "/v1/cloudevents", "application/cloudevents+json", of("specversion", "id", "time", "data_base64", "x")},
		"batch":    {publish + "/v1/cloudevents", batchType, append(of("id"), `[{"specversion":"1.0","id":7}]`, `null`, `[null]`)},
		"ticket":   {subscribe + "/v1/tickets", jsonType, of("topics", "origin", "x")},
		"choice":   {subscribe + "/v1/events", jsonType, of("replay", "since", "heartbeat", "flush", "ticket")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, body := range c.bodies {
				header := append([]string{"Content-Type", c.contentType}, alice...)
				if name == "choice" && strings.Contains(body, "topic") {
					continue // which is a stream
				}
				resp, answer := do(t, "POST", c.url, body, header...)
				if said := goWords.FindString(answer); said != "" || resp.StatusCode >= 500 || name != "lines" && len(answer) > 1<<10 {
					t.Errorf("%.80s: %d, %q: %.1024s", body, resp.StatusCode, said, answer)
				}
			}
		})
	}
	if resp, answer := do(t, "POST", publish+"/v1/cloudevents", "null", "Content-Type", batchType); resp.StatusCode != 400 || !strings.Contains(answer, "write a list") {
		t.Errorf("a batch that is null: %d %s", resp.StatusCode, answer)
	}
}
