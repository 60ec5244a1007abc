package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/config/crd"
	server "github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/test/browser"
)

// manifestFile is the stream that is tried.
const manifestFile = "eventstream.yaml"

// target is a hub.
type target struct {
	// subscribe and publish are its base URLs.
	subscribe, publish string
	token              string
	// run is the token of this run's topics.
	run string
	// own is nil if the hub is not the suite's. config is what it runs; stop lets it drain and returns when it has ended.
	own    *server.Hub
	config *config.Config
	stop   func()
}

// findHub returns the hub of the environment, or else one of the suite's own.
func findHub() *target {
	GinkgoHelper()
	subscribe, publish := os.Getenv(envHub), os.Getenv(envPublish)
	if subscribe == "" && publish == "" {
		return startHub()
	}
	Expect(subscribe).To(HavePrefix("http://"), "%s: write the base URL of the hub's subscribe port, such as http://127.0.0.1:8080", envHub)
	Expect(publish).To(HavePrefix("http://"), "%s: write the base URL of the hub's publish port, such as http://127.0.0.1:8081", envPublish)
	return &target{
		subscribe: strings.TrimSuffix(subscribe, "/"), publish: strings.TrimSuffix(publish, "/"), token: os.Getenv(envToken),
		run: strconv.FormatUint(rand.Uint64(), 36),
	}
}

// needsOwnHub skips the spec where the hub is not the suite's: it must be configured, drained or looked into.
func needsOwnHub() {
	GinkgoHelper()
	if hub.own == nil {
		Skip("needs own hub")
	}
}

// startHub starts a hub of the manifest in this process. It ends with the node that it is called in.
func startHub(changes ...func(*config.Config)) *target {
	GinkgoHelper()
	return startHubWith(server.Options{}, changes...)
}

// startHubWith is startHub with more options; addresses and configuration are set here.
func startHubWith(o server.Options, changes ...func(*config.Config)) *target {
	GinkgoHelper()
	o.Portable = os.Getenv(envPortable) != ""
	text, err := os.ReadFile(manifestFile)
	Expect(err).NotTo(HaveOccurred())
	reader, err := manifest.NewReader(crd.EventStreams)
	Expect(err).NotTo(HaveOccurred())
	m, err := reader.Read(manifestFile, text)
	Expect(err).NotTo(HaveOccurred())
	o.Config, err = m.Config()
	Expect(err).NotTo(HaveOccurred())
	// There is no cluster whose tokens publishers could have, and nobody else on these ports.
	o.Config.Auth.Publishers = config.Publishers{Anonymous: &config.Anonymous{}}
	o.Config.Drain.Window = 0
	for _, change := range changes {
		change(o.Config)
	}
	const anyPort = "127.0.0.1:0"
	o.SubscribeAddr, o.PublishAddr, o.AdminAddr = anyPort, anyPort, anyPort
	h, err := server.New(o)
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx); close(ended) }()
	t := &target{
		subscribe: "http://" + h.Addrs().Subscribe, publish: "http://" + h.Addrs().Publish, run: "own", own: h, config: o.Config,
		stop: func() {
			GinkgoHelper()
			cancel()
			Eventually(ended).Should(Or(Receive(BeNil()), BeClosed()))
		},
	}
	DeferCleanup(t.stop)
	return t
}

// reload changes the configuration of an own hub.
func (t *target) reload(change func(*config.Config)) {
	GinkgoHelper()
	next := *t.config
	change(&next)
	Expect(t.own.Reload(&next)).To(Succeed())
	t.config = &next
}

// topic is a topic that nobody else uses. A hub keeps what was published to it before.
func (t *target) topic() string {
	return "conformance." + t.run + "." + strconv.FormatUint(rand.Uint64(), 36)
}

// fewTopic is a topic of which two events are kept.
func (t *target) fewTopic() string {
	return "conformance-few." + t.run + "." + strconv.FormatUint(rand.Uint64(), 36)
}

// url is where topics are read. Pairs are further parameters, name and value.
func (t *target) url(topics []string, pairs ...string) string {
	return at(t.subscribe, topics, pairs...)
}

func at(base string, topics []string, pairs ...string) string {
	query := url.Values{"topic": topics}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return base + "/v1/events?" + query.Encode()
}

// addr is the host and port of the subscribe URL.
func (t *target) addr() string {
	GinkgoHelper()
	u, err := url.Parse(t.subscribe)
	Expect(err).NotTo(HaveOccurred())
	if u.Port() == "" {
		return u.Host + ":80"
	}
	return u.Host
}

// send publishes an event as a body. An empty type is none.
func (t *target) send(topic, kind, data string) browser.Event {
	GinkgoHelper()
	query := ""
	if kind != "" {
		query = "?" + url.Values{"type": {kind}}.Encode()
	}
	status, body := t.post("/v1/topics/"+topic+query, "application/octet-stream", []byte(data))
	Expect(status).To(Equal(http.StatusOK), "%s", body)
	var answer struct{ ID string }
	Expect(json.Unmarshal(body, &answer)).To(Succeed())
	return browser.Event{ID: answer.ID, Type: kind, Data: data}
}

// sendAll publishes events as one batch, and sets their ids.
func (t *target) sendAll(topic string, events []browser.Event) {
	GinkgoHelper()
	var batch bytes.Buffer
	lines := json.NewEncoder(&batch)
	for _, e := range events {
		Expect(lines.Encode(map[string]string{"topic": topic, "type": e.Type, "data": e.Data})).To(Succeed())
	}
	status, body := t.post("/v1/publish", "application/x-ndjson", batch.Bytes())
	Expect(status).To(Equal(http.StatusOK), "%s", body)
	answers := json.NewDecoder(bytes.NewReader(body))
	for i := range events {
		var answer struct {
			ID    string
			Error json.RawMessage
		}
		Expect(answers.Decode(&answer)).To(Succeed(), "%s", body)
		Expect(answer.ID).NotTo(BeEmpty(), "%s", answer.Error)
		events[i].ID = answer.ID
	}
}

// subscribers counts the readers of a topic to which something was published.
func (t *target) subscribers(topic string) int {
	GinkgoHelper()
	return t.info(topic).Subscribers
}

// depth counts the events that a topic retains.
func (t *target) depth(topic string) int {
	GinkgoHelper()
	return t.info(topic).Depth
}

// topicInfo is what a publisher is told of a topic.
type topicInfo struct{ Depth, Subscribers int }

func (t *target) info(topic string) (info topicInfo) {
	GinkgoHelper()
	status, body := t.ask(http.MethodGet, "/v1/topics/"+topic, "", nil)
	Expect(status).To(Equal(http.StatusOK), "%s", body)
	Expect(json.Unmarshal(body, &info)).To(Succeed())
	return info
}

// post sends a body to the publish port.
func (t *target) post(path, contentType string, body []byte) (status int, answer []byte) {
	GinkgoHelper()
	return t.ask(http.MethodPost, path, contentType, body)
}

// ask sends a request to the publish port.
func (t *target) ask(method, path, contentType string, body []byte) (status int, answer []byte) {
	GinkgoHelper()
	r, err := http.NewRequest(method, t.publish+path, bytes.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if t.token != "" {
		r.Header.Set("Authorization", "Bearer "+t.token)
	}
	response, err := http.DefaultClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, answer
}
