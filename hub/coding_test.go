package hub_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// gzipped returns content as gzip codes it.
func gzipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// codedForms are all the ways to publish, each with a body that becomes the event `{"n":%d}`.
var codedForms = map[string]struct {
	path, contentType, body string
}{
	"raw":        {"/v1/topics/orders", "application/json", `{"n":%d}`},
	"base64":     {"/v1/topics/orders?encoding=base64", "", "eyJuIjolZH0="},
	"document":   {"/v1/publish", jsonType, `{"topic":"orders","data":{"n":%d}}`},
	"lines":      {"/v1/publish", linesType, `{"topic":"orders","data":{"n":%d}}` + "\n"},
	"binary":     {"/v1/cloudevents/orders", "application/json", `{"n":%d}`},
	"structured": {"/v1/cloudevents/orders", structured, `{"specversion":"1.0","id":"%[1]d","source":"/shop","type":"made","data":{"n":%[1]d}}`},
	"batched":    {"/v1/cloudevents/orders", batched, `[{"specversion":"1.0","id":"%[1]d","source":"/shop","type":"made","data":{"n":%[1]d}}]`},
	"a last one": {"/v1/topics/prices.%d/complete", "", `{"n":%d}`},
}

// publishCoded sends content under Content-Encoding headers.
func publishCoded(t *testing.T, s *server, path, contentType, content string, n int, codings ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.Addrs().Publish+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Content-Encoding"] = codings
	r.Header.Set("Content-Type", contentType)
	if strings.Contains(path, "cloudevents") && !strings.Contains(contentType, "cloudevents") {
		for i, fields := 0, ce("ce-id", fmt.Sprint(n)); i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r) // so that each comes first on its connection
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestContentIsDecodedInEveryForm(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">"))
	c.expect("runnel-open", "live")
	n := 0
	for name, form := range codedForms {
		for _, codings := range [][]string{{"gzip"}, {"x-gzip"}, {"GZip"}, {"identity"}, {"gzip, identity"}, {"identity", "gzip"}, {"", " , gzip ,"}, {"gzip,x-gzip"}, nil} {
			n++
			path, content := form.path, form.body
			if strings.Contains(path, "%d") {
				path = fmt.Sprintf(path, n)
			}
			want := fmt.Sprintf(`{"n":%d}`, n)
			if name == "base64" {
				want = content
			} else {
				content = fmt.Sprintf(content, n)
			}
			for range strings.Count(strings.ToLower(strings.Join(codings, ",")), "gzip") {
				content = gzipped(t, content)
			}
			resp, body := publishCoded(t, s, path, form.contentType, content, n, codings...)
			if resp.StatusCode >= 300 || strings.Contains(body, "error") {
				t.Errorf("%s, %q: %d %s", name, codings, resp.StatusCode, body)
				continue
			}
			if e, _ := c.next(); e.data != want {
				t.Errorf("%s, %q: got %+v, want %s", name, codings, e, want)
			}
		}
	}
}

func TestCodingsAreRefused(t *testing.T) {
	s := start(t, nil)
	// 64 KiB of gzip that become 64 MiB. They are of no form, which the hub must not come to see.
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := gzipped(t, `{"n":1}`)
	empty := gzipped(t, "")
	for name, c := range map[string]struct {
		content string
		codings []string
		status  int
		code    string
	}{
		"br":                   {whole, []string{"br"}, 415, "coding_unknown"},
		"deflate":              {whole, []string{"deflate"}, 415, "coding_unknown"},
		"one of two":           {whole, []string{"br, gzip"}, 415, "coding_unknown"},
		"in the second header": {whole, []string{"gzip", "zstd"}, 415, "coding_unknown"},
		"after an empty one":   {whole, []string{"", "zstd"}, 415, "coding_unknown"},
		"a parameter":          {whole, []string{"gzip;q=1"}, 415, "coding_unknown"},
		"a star":               {whole, []string{"*"}, 415, "coding_unknown"},
		"three times":          {gzipped(t, gzipped(t, whole)), []string{"gzip, gzip, gzip"}, 415, "coding_unknown"},
		"a bomb":               {bomb.String(), []string{"gzip"}, 413, "too_large"},
		"a bomb in a bomb":     {gzipped(t, bomb.String()), []string{"gzip, gzip"}, 413, "too_large"},
		"many empty ones":      {gzipped(t, strings.Repeat(empty, 1<<16)), []string{"gzip, gzip"}, 413, "too_large"},
		"not gzip":             {`{"n":1}`, []string{"gzip"}, 400, "coding_malformed"},
		"cut":                  {whole[:len(whole)-1], []string{"gzip"}, 400, "coding_malformed"},
		"another checksum":     {whole[:len(whole)-8] + "\x00\x00\x00\x00" + whole[len(whole)-4:], []string{"gzip"}, 400, "coding_malformed"},
		"text after it":        {whole + "x", []string{"gzip"}, 400, "coding_malformed"},
		"once only":            {whole, []string{"gzip, gzip"}, 400, "coding_malformed"},
	} {
		for form, f := range codedForms {
			t.Run(name+"/"+form, func(t *testing.T) {
				path := strings.ReplaceAll(f.path, "%d", "x")
				resp, body := publishCoded(t, s, path, f.contentType, c.content, 1, c.codings...)
				var p struct{ Code, Detail string }
				if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != c.status || !strings.HasSuffix(p.Code, c.code) {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
				if accepted := resp.Header.Get("Accept-Encoding"); (accepted == "gzip") != (c.status == 415) {
					t.Errorf("Accept-Encoding: %s", accepted)
				}
			})
		}
	}
	if seq := s.Status().Seq; seq != 0 {
		t.Errorf("%d refused events were stored", seq)
	}
}

func TestNoContentHasNoCoding(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/v1/topics/orders", "/v1/topics/orders/complete"} {
		if resp, body := do(t, "POST", "http://"+s.Addrs().Publish+path, "", "Content-Encoding", "gzip"); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	resp, body := do(t, "POST", "http://"+s.Addrs().Publish+"/v1/publish", "x", "Content-Type", "text/plain")
	if resp.StatusCode != 415 || resp.Header.Get("Accept-Encoding") != "" { // which would name the coding as what is wrong
		t.Errorf("another media type: %d %v %s", resp.StatusCode, resp.Header, body)
	}
}

// The event loop answers the first, and leaves the connection to net/http from the second on.
func TestCodedContentBetweenOtherOnOneConnection(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", "orders"))
	c.expect("runnel-open", "live")
	conn, err := net.Dial("tcp", s.Addrs().Publish)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var requests strings.Builder
	for _, r := range []struct{ codings, content string }{
		{"", "1"}, {"Content-Encoding:\r\nContent-Encoding: gzip\r\n", gzipped(t, "2")}, {"", "3"}, {"content-encoding: X-GZIP\r\n", gzipped(t, "4")}, {"", "5"},
	} {
		fmt.Fprintf(&requests, "POST /v1/topics/orders HTTP/1.1\r\nHost: hub\r\n%sContent-Length: %d\r\n\r\n%s", r.codings, len(r.content), r.content)
	}
	if _, err := io.WriteString(conn, requests.String()); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	for _, want := range []string{"1", "2", "3", "4", "5"} {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if e, _ := c.next(); err != nil || resp.StatusCode != 200 || e.data != want || !strings.Contains(string(body), e.id) {
			t.Errorf("%d %s, %v, and %+v", resp.StatusCode, body, err, e)
		}
	}
}
