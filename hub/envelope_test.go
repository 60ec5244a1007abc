package hub_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// enveloped are events, each with what its envelope must be but for its time.
var enveloped = []struct {
	path, body string
	header     []string
	want       string
}{
	{"/v1/topics/prices.BTC?type=tick&key=k", `{ "p": [1.50, "<"] }`, nil, `{"topic":"prices.BTC","type":"tick","key":"k","data":{"p":[1.50,"<"]}}`},
	{"/v1/topics/prices.ETH", "a\r\n\"b\"", nil, `{"topic":"prices.ETH","type":"message","data":"a\r\n\"b\""}`},
	{"/v1/topics/orders", "", nil, `{"topic":"orders","type":"message","data":""}`},
	{"/v1/topics/orders", "null", nil, `{"topic":"orders","type":"message","data":null}`},
	{"/v1/topics/orders", `{"a":`, nil, `{"topic":"orders","type":"message","data":"{\"a\":"}`},
	{"/v1/topics/orders?encoding=base64&key=%22%C3%A9%5C", "/wA=", nil, `{"topic":"orders","type":"message","key":"\"é\\","dataBase64":"/wA="}`},
	{"/v1/publish", `{"topic":"orders","type":"\"<é>\"","key":"x","data":"😀"}`, []string{"Content-Type", jsonType}, `{"topic":"orders","type":"\"<é>\"","key":"x","data":"😀"}`},
	{"/v1/publish", `{"topic":"last","data":[ ]}`, []string{"Content-Type", linesType}, `{"topic":"last","type":"message","data":[]}`},
	{"/v1/cloudevents/orders", "12", ce("Content-Type", "text/plain", "ce-partitionkey", "k"), `{"topic":"orders","type":"made","key":"k","data":"12"}`},
	{"/v1/cloudevents/orders", "12", ce("Content-Type", jsonType, "ce-id", "2"), `{"topic":"orders","type":"made","data":12}`},
	{"/v1/cloudevents/orders", "", ce("ce-id", "3"), `{"topic":"orders","type":"made"}`},
	{"/v1/topics/prices.BTC/complete", "1", nil, `{"topic":"prices.BTC","type":"message","data":1}`},
}

// checkEnvelope holds text against an envelope that lacks its time, and its id where it has one.
func checkEnvelope(t *testing.T, text, id, want string) {
	t.Helper()
	var got struct {
		Time string
		ID   string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if at, err := time.Parse(time.RFC3339Nano, got.Time); err != nil || time.Since(at) > time.Hour || !strings.HasSuffix(got.Time, "Z") {
		t.Errorf("%s: the time is %s", text, got.Time)
	}
	text = strings.Replace(text, `"time":"`+got.Time+`"`, "", 1)
	if id != "" {
		text = strings.Replace(text, `"id":"`+id+`",`, "", 1)
	}
	if text = strings.NewReplacer(",,", ",", ",}", "}").Replace(text); text != want {
		t.Errorf("%s, want %s", text, want)
	}
}

func TestEventsInAnEnvelopeTellTheirTopic(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">", "format", "envelope"))
	c.expect("runnel-open", `"topics":[">"]`) // which is the hub's own, as ever
	_, line := readLines(t, s, q("topic", ">", "format", "envelope"))
	line()
	for _, p := range enveloped {
		if resp, body := do(t, "POST", "http://"+s.Addrs().Publish+p.path, p.body, p.header...); resp.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", p.want, resp.StatusCode, body)
		}
		e, _ := c.next()
		if e.id == "" || e.typ == "message" || !strings.Contains(p.want, `"type":"`+strings.ReplaceAll(e.typ, `"`, `\"`)) {
			t.Errorf("%+v", e)
		}
		checkEnvelope(t, e.data, "", p.want)
		parsed := line()
		if parsed["id"] != e.id {
			t.Errorf("in lines: %v", parsed)
		}
		delete(parsed, "id")
		var want map[string]any
		if err := json.Unmarshal([]byte(e.data), &want); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(parsed); string(got) != marshalled(t, want) {
			t.Errorf("in lines: %s, want %s", got, e.data)
		}
	}
	again := s.read(q("topic", "prices.*", "format", "envelope", "last_event_id", "earliest"))
	again.expect("runnel-open", "exact")
	e, _ := again.next()
	checkEnvelope(t, e.data, "", enveloped[0].want)
	resp, body := do(t, "GET", s.url(q("topic", "orders", "format", "xml")), "", "Accept", "text/event-stream")
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "format=`xml`: write data, envelope or cloudevents") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func marshalled(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A stream of HTTP/2 and one whose writes are gathered are written in other places than that of a socket.
func TestEveryWayToReadHasEnvelopes(t *testing.T) {
	s := start(t, nil)
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	via := &http.Transport{Protocols: protocols}
	t.Cleanup(via.CloseIdleConnections)
	readers := map[string]*reader{
		"over HTTP/2": open(t, via, s.url(q("topic", "prices.*", "format", "envelope"))),
		"gathered":    s.read(q("topic", "prices.*", "format", "envelope", "flush", "1ms")),
		"conflated":   s.read(q("topic", "prices.*", "format", "envelope", "conflate", "latest")),
		"padded":      s.read(q("topic", "prices.*", "format", "envelope", "padding", "true")),
	}
	for _, c := range readers {
		c.expect("runnel-open", "live")
	}
	s.publish("prices.BTC", "1")
	for name, c := range readers {
		if e, _ := c.next(); !strings.HasPrefix(e.data, `{"topic":"prices.BTC","type":"message","time":"`) || !strings.HasSuffix(e.data, `","data":1}`) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestCloudEventsTellTheirTopic(t *testing.T) {
	s := start(t, nil)
	c := s.read(q("topic", ">", "format", "cloudevents"))
	c.expect("runnel-open", "live")
	_, line := readLines(t, s, q("topic", ">", "format", "cloudevents"))
	line()
	for _, p := range enveloped {
		header := p.header
		if strings.Contains(p.path, "cloudevents") { // that came through another hub
			header = append(header[:len(header):len(header)], "ce-runneltopic", "elsewhere", "ce-subject", "last")
		}
		if resp, body := do(t, "POST", "http://"+s.Addrs().Publish+p.path, p.body, header...); resp.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", p.want, resp.StatusCode, body)
		}
		var want struct{ Topic string }
		if err := json.Unmarshal([]byte(p.want), &want); err != nil {
			t.Fatal(err)
		}
		e, _ := c.next()
		got := line()
		if strings.Count(e.data, `"runneltopic":"`+want.Topic+`"`) != 1 || strings.Count(e.data, "runneltopic") != 1 || got["runneltopic"] != want.Topic || got["runnelid"] != e.id {
			t.Errorf("%s, and in lines %v, want topic %s", e.data, got, want.Topic)
		}
	}
}
