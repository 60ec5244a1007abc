package conformance_test

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/test/sse"
)

// The SDK of the CloudEvents project makes the requests, and reads what a hub makes of them.
var _ = Describe("CloudEvents of their own SDK", func() {
	DescribeTable("are read as they were sent", func(ctx SpecContext, send func([]cloudevents.Event)) {
		topic := hub.topic()
		reader, err := sse.Open(ctx, hub.url([]string{topic}, "format", "cloudevents"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(reader.Close)
		Expect(next(reader).Type).To(Equal("runnel-open"))
		sent := someCloudEvents(topic)
		send(sent)
		for _, want := range sent {
			e := next(reader)
			Expect(e.Type).To(Equal(want.Type()))
			var got cloudevents.Event
			Expect(json.Unmarshal([]byte(e.Data), &got)).To(Succeed(), e.Data)
			want.SetExtension("runneltopic", topic) // which the hub adds
			Expect(got.Context).To(Equal(want.Context))
			Expect(got.Data()).To(Equal(want.Data()))
		}
	},
		Entry("in binary mode", func(events []cloudevents.Event) { sendEach(binding.WithForceBinary, events) }),
		Entry("in structured mode", func(events []cloudevents.Event) { sendEach(binding.WithForceStructured, events) }),
		Entry("in a batch", sendBatch),
	)
})

// someCloudEvents hold what is hard to bring through headers and JSON.
func someCloudEvents(topic string) (out []cloudevents.Event) {
	GinkgoHelper()
	for id, data := range map[string]struct {
		contentType string
		content     any
	}{
		"json":  {cloudevents.ApplicationJSON, map[string]any{"n": 1, "text": "a\nb"}},
		"text":  {cloudevents.TextPlain, "a\nb 😀"},
		"bytes": {"application/octet-stream", []byte{0xff, 0, 1}},
	} {
		e := cloudevents.NewEvent()
		e.SetID(topic + "/" + id)
		e.SetSource("/shop/eu?a=b")
		e.SetType("order.created")
		e.SetSubject(topic)
		e.SetTime(time.Date(2026, 1, 31, 10, 0, 0, 123456789, time.UTC))
		e.SetExtension("mine", "100%, which this SDK does not encode")
		Expect(e.SetData(data.contentType, data.content)).To(Succeed())
		out = append(out, e)
	}
	return out
}

func sendEach(mode func(context.Context) context.Context, events []cloudevents.Event) {
	GinkgoHelper()
	client, err := cloudevents.NewClientHTTP(cehttp.WithTarget(hub.publish), cehttp.WithHeader("Authorization", "Bearer "+hub.token))
	Expect(err).NotTo(HaveOccurred())
	for _, e := range events {
		result := client.Send(mode(context.Background()), e)
		Expect(cloudevents.IsACK(result)).To(BeTrue(), "%v", result)
	}
}

func sendBatch(events []cloudevents.Event) {
	GinkgoHelper()
	r, err := cehttp.NewHTTPRequestFromEvents(context.Background(), hub.publish, events)
	Expect(err).NotTo(HaveOccurred())
	r.Header.Set("Authorization", "Bearer "+hub.token)
	response, err := http.DefaultClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	Expect(response).To(HaveHTTPStatus(http.StatusAccepted))
}
