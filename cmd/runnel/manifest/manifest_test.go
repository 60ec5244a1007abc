package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/config/crd"
)

const head = "apiVersion: runnel.dev/v1alpha1\nkind: EventStream\nmetadata: {name: shop}\n"

// issuer is one of readers' tokens.
const issuer = "{issuer: 'https://id.example', audiences: [shop], jwksURI: 'https://id.example/keys', topics: ['users.{sub}.>']}"

// spec returns a manifest whose spec is valid but for what the lines add to it.
func spec(lines string) string {
	return head + "spec:\n  topics: [{name: orders}]\n  auth: {subscribers: {anonymous: {}}}\n" + lines
}

// topics returns a manifest with these topics, in YAML's flow style.
func topics(list string) string {
	return head + "spec:\n  auth: {subscribers: {anonymous: {}}}\n  topics: " + list + "\n"
}

func reader(t *testing.T) *manifest.Reader {
	t.Helper()
	r, err := manifest.NewReader(crd.EventStreams)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAccepted(t *testing.T) {
	r := reader(t)
	for name, text := range map[string]string{
		"least":                 spec(""),
		"null is unset":         spec("  heartbeat: null\n  cors:\n"),
		"longest bounds":        spec("  heartbeat: {interval: 10m}\n  drain: {window: 10m}\n  reconnect: {delay: 5m, maxConnectionAge: 24h}\n"),
		"quantities as numbers": spec("  retention: {bytes: 67108864}\n  limits: {maxEventSize: 1024}\n"),
		"patterns":              topics(`[{name: "a.*"}, {name: "*.b"}, {name: ">"}, {name: "a.>"}]`),
		"sixteen tokens":        topics("[{name: " + strings.Repeat("a.", 15) + "a}]"),
		"service accounts": head + "spec: {topics: [{name: a}], auth: {subscribers: {anonymous: {}}, publishers: " +
			"{serviceAccounts: [{name: checkout, topics: [a]}, {namespace: team-b, name: \"*\"}]}}}\n",
		"keys and readers' tokens": head + "spec: {topics: [{name: a}], tls: {secretName: shop-tls}, limits: {connectionsPerIdentity: 2}, auth: {subscribers: " +
			"{jwt: {issuers: [" + issuer + "]}}, publishers: {keys: [{name: ci, secretRef: {name: shop-ci}}]}}}\n",
		"an author's status is ignored": spec("") + "status: {replicas: 1, readyReplicas: 0}\n",
		"suspended":                     spec("  suspend: true\n"),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := r.Read("f.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if m.Stream.Name != "shop" || m.Stream.Namespace != "default" || len(m.Stream.Spec.Topics) == 0 {
				t.Errorf("got %s/%s with %d topics", m.Stream.Namespace, m.Stream.Name, len(m.Stream.Spec.Topics))
			}
			if m.Stream.Status.Replicas != 0 {
				t.Error("the status was taken from the file")
			}
		})
	}
}

func TestSamplesAreAccepted(t *testing.T) {
	samples, err := filepath.Glob("../../../config/samples/eventstream*.yaml")
	if err != nil || len(samples) < 2 {
		t.Fatalf("samples %q, %v", samples, err)
	}
	for _, sample := range samples {
		text, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		m, err := reader(t).Read(sample, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Config(); err != nil {
			t.Errorf("%s: %v", sample, err)
		}
	}
}

func TestRefused(t *testing.T) {
	const invalid = `The EventStream "shop" is invalid: `
	const undecoded = `EventStream in version "v1alpha1" cannot be handled as a EventStream: strict decoding error: `
	r := reader(t)
	for name, c := range map[string]struct {
		text string
		want []string // parts of the message
	}{
		"heartbeat too short": {spec("  heartbeat: {interval: 500ms}\n"),
			[]string{invalid + `spec.heartbeat.interval: Invalid value: "500ms": write a duration between 1s and 10m, such as 15s`}},
		"no duration": {spec("  drain: {window: soon}\n"), []string{invalid + `spec.drain.window: Invalid value: "soon": write a duration`}},
		"a duration of CEL that Go would not take": {spec("  drain: {window: -5s}\n"), []string{"spec.drain.window"}},
		"a number for a duration":                  {spec("  heartbeat: {interval: 15}\n"), []string{`spec.heartbeat.interval: Invalid value: "integer": spec.heartbeat.interval in body must be of type string`}},
		"several at once, a line each": {spec("  heartbeat: {interval: 1ms}\n  limits: {connectionsPerHub: -1}\n"),
			[]string{invalid + "\n* ", "\n* spec.heartbeat.interval: ", "\n* spec.limits.connectionsPerHub: Invalid value: -1: spec.limits.connectionsPerHub in body should be greater than or equal to 1"}},
		"wrong type": {spec("  retention: {events: many}\n"),
			[]string{`spec.retention.events: Invalid value: "string": spec.retention.events in body must be of type integer: "string"`, "some validation rules were not checked"}},
		"event size":         {spec("  limits: {maxEventSize: 1Gi}\n"), []string{"spec.limits.maxEventSize", "write a quantity between 1Ki and 4Mi, such as 256Ki"}},
		"bytes, no quantity": {spec("  retention: {bytes: lots}\n"), []string{"spec.retention.bytes"}},
		"duplicate topics":   {topics("[{name: a}, {name: b}, {name: a}]"), []string{invalid + `spec.topics[2]: Duplicate value: {"name":"a"}`}},
		"duplicate origins": {spec("  cors: {allowedOrigins: ['https://a.example', 'https://a.example']}\n"),
			[]string{`spec.cors.allowedOrigins[1]: Duplicate value: "https://a.example"`}},
		"no topics":             {head + "spec: {auth: {subscribers: {anonymous: {}}}}\n", []string{invalid, "spec.topics: Required value"}},
		"empty topics":          {topics("[]"), []string{"spec.topics: Invalid value: 0: spec.topics in body should have at least 1 items"}},
		"no spec":               {head, []string{invalid, "spec: Required value"}},
		"malformed topic":       {topics("[{name: 'orders eu'}]"), []string{`spec.topics[0].name: Invalid value: "orders eu": write tokens of A-Z a-z 0-9`}},
		"> not last":            {topics("[{name: '>.a'}]"), []string{"spec.topics[0].name", "a last '>' for one or more"}},
		"seventeen tokens":      {topics("[{name: " + strings.Repeat("a.", 16) + "a}]"), []string{"write at most 16 tokens parted by '.'"}},
		"nobody may read":       {head + "spec: {topics: [{name: a}]}\n", []string{"auth.subscribers is required: write auth: {subscribers: {anonymous: {}}}"}},
		"publishers undecided":  {head + "spec: {topics: [{name: a}], auth: {subscribers: {anonymous: {}}, publishers: {}}}\n", []string{"spec.auth.publishers: Invalid value", "write serviceAccounts, keys or both; or anonymous"}},
		"credentials for all":   {spec("  cors: {allowedOrigins: ['*'], allowCredentials: true}\n"), []string{"allowCredentials needs allowedOrigins to list the origins"}},
		"an identity of nobody": {spec("  limits: {connectionsPerIdentity: 2}\n"), []string{"spec.limits.connectionsPerIdentity: Forbidden: it needs auth.subscribers.jwt, since anonymous subscribers have no identity"}},
		"two issuers of one name": {head + "spec: {topics: [{name: a}], auth: {subscribers: {jwt: {issuers: [" + issuer + ", " + issuer + "]}}}}\n",
			[]string{`spec.auth.subscribers.jwt.issuers[1]: Duplicate value: {"issuer":"https://id.example"}`}},
		"keys in clear text": {head + "spec: {topics: [{name: a}], auth: {subscribers: {jwt: {issuers: [" + strings.Replace(issuer, "https://id.example/keys", "http://id.example/keys", 1) + "]}}}}\n",
			[]string{"spec.auth.subscribers.jwt.issuers[0].jwksURI", "http:// only for a Service of the cluster"}},
		"* with others":      {spec("  cors: {allowedOrigins: ['*', 'https://a.example']}\n"), []string{"'*' allows every origin: write it alone"}},
		"origin with a path": {spec("  cors: {allowedOrigins: ['https://a.example/']}\n"), []string{"write an origin as a browser sends it"}},
		"unknown field": {spec("  heartbeet: {interval: 15s}\n"),
			[]string{undecoded + `unknown field "spec.heartbeet"`, "\n  spec has the fields auth, cors, drain, engine, heartbeat, "}},
		"unknown field in a list": {topics("[{name: a, keep: 3}]"),
			[]string{undecoded + `unknown field "spec.topics[0].keep"`, "\n  spec.topics[0] has the fields name, retention"}},
		"unknown field at the top":     {spec("") + "specc: {}\n", []string{undecoded + `unknown field "specc"`, "an EventStream has the fields apiVersion, kind, metadata, spec, status"}},
		"unknown field of metadata":    {strings.Replace(spec(""), "{name: shop}", "{name: shop, lables: {a: b}}", 1), []string{undecoded + `unknown field "metadata.lables"`}},
		"a field of a later engine":    {spec("  replicas: 2\n"), []string{`unknown field "spec.replicas"`}},
		"key written twice":            {spec("  suspend: true\n  suspend: false\n"), []string{undecoded, `key "suspend" already set in map`}},
		"key written twice in JSON":    {`{"apiVersion":"runnel.dev/v1alpha1","kind":"EventStream","metadata":{"name":"shop"},"spec":{"topics":[],"topics":[]}}`, []string{undecoded + `duplicate field "spec.topics"`}},
		"metadata of a wrong type":     {strings.Replace(spec(""), "{name: shop}", "{name: shop, labels: [a]}", 1), []string{"metadata cannot be read"}},
		"no name":                      {strings.Replace(spec(""), "{name: shop}", "{}", 1), []string{`The EventStream "" is invalid: `, "metadata.name: Required value: name or generateName is required"}},
		"name too long for a Service":  {strings.Replace(spec(""), "shop", strings.Repeat("a", 51), 1), []string{"metadata.name names Services: write at most 50 lower-case letters"}},
		"name that starts by a digit":  {strings.Replace(spec(""), "shop", "7shop", 1), []string{"metadata.name names Services"}},
		"name in capitals":             {strings.Replace(spec(""), "shop", "Shop", 1), []string{`metadata.name: Invalid value: "Shop": a lowercase RFC 1123 subdomain`}},
		"bad namespace":                {strings.Replace(spec(""), "{name: shop}", "{name: shop, namespace: Team_A}", 1), []string{`metadata.namespace: Invalid value: "Team_A"`}},
		"bad label":                    {strings.Replace(spec(""), "{name: shop}", "{name: shop, labels: {'a b': c}}", 1), []string{"metadata.labels: Invalid value: \"a b\""}},
		"the operator's annotations":   {spec("  template: {annotations: {runnel.dev/x: mine}}\n"), []string{"spec.template.annotations", "write keys of your own domain"}},
		"version that does not exist":  {strings.Replace(spec(""), "v1alpha1", "v1", 1), []string{`no matches for kind "EventStream" in version "runnel.dev/v1": write apiVersion: runnel.dev/v1alpha1`}},
		"nothing":                      {"", []string{"f.yaml holds no EventStream: write one with apiVersion: runnel.dev/v1alpha1"}},
		"other kinds only":             {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", []string{"f.yaml holds no EventStream"}},
		"EventStream of another group": {strings.Replace(spec(""), "runnel.dev/", "other.example/", 1), []string{"f.yaml holds no EventStream"}},
		"two":                          {spec("") + "---\n" + strings.Replace(spec(""), "shop", "desk", 1), []string{"f.yaml holds 2 EventStreams (shop, desk)", "a file of its own"}},
		"no YAML":                      {"a: [1\n", []string{"f.yaml cannot be read: document 1: ", "line 1"}},
		"no object":                    {"- a\n- b\n", []string{"f.yaml cannot be read: document 1: write an object with apiVersion, kind and metadata"}},
		"no kind":                      {"spec: {}\n", []string{"f.yaml cannot be read: document 1: apiVersion and kind must be set"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Read("f.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("message has no %q:\n%v", w, err)
				}
			}
		})
	}
}

func TestFindsTheStreamAmongOthers(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: shop-web}\n"
	r := reader(t)
	for name, text := range map[string]string{
		"documents":     "---\n" + service + "---\n# only a comment\n---\n" + spec("") + "---\n",
		"list":          "apiVersion: v1\nkind: List\nitems:\n- " + indent(service) + "- " + indent(spec("")),
		"JSON":          "\n" + `{"apiVersion":"v1","kind":"Service","metadata":{"name":"shop-web"}}` + "\n\t" + inJSON,
		"flow of YAML":  "{apiVersion: v1, kind: Service, metadata: {name: shop-web}}\n---\n" + inJSON,
		"Windows lines": strings.ReplaceAll(service+"---\n"+spec(""), "\n", "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := r.Read("f.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if m.Stream.Name != "shop" || m.Stream.Spec.Topics[0].Name != "orders" {
				t.Errorf("got %+v", m.Stream)
			}
			if len(m.Skipped) != 1 || m.Skipped[0] != `Service "shop-web"` {
				t.Errorf("skipped %q", m.Skipped)
			}
		})
	}
}

const inJSON = `{"apiVersion":"runnel.dev/v1alpha1","kind":"EventStream","metadata":{"name":"shop"},
	"spec":{"topics":[{"name":"orders"}],"auth":{"subscribers":{"anonymous":{}}}}}`

func indent(text string) string {
	return strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func TestDefinitionWithoutTheVersion(t *testing.T) {
	old := strings.Replace(string(crd.EventStreams), "name: v1alpha1", "name: v1alpha0", 1)
	_, err := manifest.NewReader([]byte(old))
	if err == nil || !strings.Contains(err.Error(), "no schema of version v1alpha1") {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	r, err := manifest.NewReader(crd.EventStreams)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{spec(""), topics("[{name: a}, {name: a}]"), inJSON, "a: [1", "{}", "---\n---\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := r.Read("f", text)
		if (m == nil || m.Stream == nil) == (err == nil) {
			t.Errorf("got %v and %v: want either a stream or an error", m, err)
		}
	})
}
