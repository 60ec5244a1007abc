package e2e_test

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// Rules that several fields share. {} in a template of YAML is where the value goes.
const (
	topicsRule = "rule: write a topic or a pattern of at most 16 tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu, orders.* or >"
	originRule = "rule: write an origin as a browser sends it: scheme, host in lower case and port if it is not the default, with no path, " +
		"such as https://shop.example, https://*.shop.example, http://localhost:3000 or capacitor://localhost; or '*'"
)

// refusals is one for every rule of the definition.
func refusals() []refusal {
	return slices.Concat(objectRefusals(), topicRefusals(), durationRefusals(), limitRefusals(), accessRefusals(),
		readerRefusals(), issuerRefusals(), referenceRefusals(), templateRefusals(), kubernetesRefusals())
}

func objectRefusals() []refusal {
	return []refusal{
		{" requires spec", ``, `{spec: null}`, ""},
		{
			" rule: metadata.name names Services: write at most 50 lower-case letters, digits and '-', starting with a letter, such as team-shop",
			`metadata: {name: ` + letters(50) + `}`, `metadata: {name: ` + letters(51) + `}`, "",
		},
		{".spec requires topics", ``, `spec: {topics: null}`, ""},
		{
			".spec.auth.subscribers rule: auth.subscribers is required: write auth: {subscribers: {anonymous: {}}} to let everybody read",
			``, `spec: {auth: null}`, "",
		},
		{
			".spec.heartbeat.minimum rule: write at most the heartbeat's interval, which is 15s where it is unset",
			`spec: {heartbeat: {minimum: 15s}}`, `spec: {heartbeat: {minimum: 16s}}`, "",
		},
		{
			".spec.heartbeat.minimum rule: write at most the heartbeat's interval, which is 15s where it is unset",
			`spec: {heartbeat: {interval: 2s, minimum: 2s}}`, `spec: {heartbeat: {interval: 2s, minimum: 3s}}`, "",
		},
		{".spec.imagePolicy enum", `spec: {imagePolicy: Pinned}`, `spec: {imagePolicy: Never}`, "supported values: "},
		{".spec.engine requires type", `spec: {engine: {type: Memory}}`, `spec: {engine: {}}`, ""},
		{".spec.engine.type enum", `spec: {engine: {type: Memory}}`, `spec: {engine: {type: Disk}}`, "supported values: "},
	}
}

func topicRefusals() []refusal {
	topic := func(fields string) string { return `spec: {topics: [{` + fields + `}]}` }
	named := func(name string) string { return topic(`name: "` + name + `"`) }
	return []refusal{
		{".spec.topics minItems", topic(`name: orders`), `spec: {topics: []}`, "should have at least 1 items"},
		{".spec.topics maxItems", topicsOf(256), topicsOf(257), "must have at most 256 items"},
		{".spec.topics unique", `spec: {topics: [{name: a}, {name: b}]}`, `spec: {topics: [{name: a}, {name: a}]}`, "Duplicate value"},
		{".spec.topics[] requires name", topic(`name: orders`), topic(`retention: {events: 1}`), ""},
		{".spec.topics[].name minLength", named("a"), named(""), "should be at least 1 chars long"},
		{".spec.topics[].name maxLength", named(letters(255)), named(letters(256)), "may not be more than 255"},
		{
			".spec.topics[].name rule: write tokens of A-Z a-z 0-9 _ ~ - parted by '.', such as orders.eu; '*' stands for one whole token, a last '>' for one or more",
			named("a.*.~_-Z9.>"), named("orders.>.eu"), "",
		},
		{".spec.topics[].name rule: write at most 16 tokens parted by '.'", named(tokens(16)), named(tokens(17)), ""},
		{".spec.topics[].retention.events minimum", topic(`name: a, retention: {events: 1}`), topic(`name: a, retention: {events: 0}`), "greater than or equal to 1"},
		{".spec.topics[].retention.events maximum", topic(`name: a, retention: {events: 1000000}`), topic(`name: a, retention: {events: 1000001}`), "less than or equal to 1000000"},
	}
}

// durationRefusals are those of fields that hold a length of time: too short or too long a time, and too long a text.
func durationRefusals() (out []refusal) {
	for _, f := range []struct {
		path, yaml        string // {} is the value's place
		least, most       string
		tooShort, tooLong string
		example           string
	}{
		{".spec.topics[].retention.age", `topics: [{name: a, retention: {age: {}}}]`, "1s", "720h", "999ms", "721h", "10m or 1h30m"},
		{".spec.retention.age", `retention: {age: {}}`, "1s", "720h", "999ms", "720h1s", "10m or 1h30m"},
		{".spec.heartbeat.interval", `heartbeat: {interval: {}}`, "1s", "10m", "999ms", "10m1s", "15s"},
		{".spec.heartbeat.minimum", `heartbeat: {interval: 10m, minimum: {}}`, "1s", "10m", "999ms", "10m1s", "5s"},
		{".spec.reconnect.delay", `reconnect: {delay: {}}`, "100ms", "5m", "99ms", "5m1s", "2s"},
		{".spec.reconnect.maxConnectionAge", `reconnect: {maxConnectionAge: {}}`, "10s", "24h", "9s", "24h1s", "30m"},
		{
			".spec.auth.subscribers.jwt.issuers[].maxTokenLifetime", `auth: {subscribers: {anonymous: null, jwt: {issuers: [{issuer: a, audiences: [shop], ` +
				`jwksURI: "https://id.example/keys", topics: [orders], maxTokenLifetime: {}}]}}}`, "1m", "87600h", "59s", "87600h1s", "720h",
		},
		{".spec.drain.window", `drain: {window: {}}`, "1s", "10m", "500ms", "10m1ms", "60s"},
	} {
		with := func(value string) string { return `spec: {` + strings.Replace(f.yaml, "{}", `"`+value+`"`, 1) + `}` }
		rule := fmt.Sprintf("%s rule: write a duration between %s and %s, such as %s", f.path, f.least, f.most, f.example)
		out = append(out,
			refusal{f.path + " maxLength", with(f.least), with(strings.Repeat("00001s", 6)), "may not be more than 32"},
			refusal{rule, with(f.least), with(f.tooShort), ""},
			refusal{rule, with(f.most), with(f.tooLong), ""},
			refusal{rule, with(f.least), with("1 minute"), ""},
			refusal{rule, with(f.least), with("-" + f.least), ""},
			refusal{rule, with(f.least), with("15"), ""},
			refusal{rule, with(f.least), with("60.5s"), ""},
		)
	}
	return out
}

func limitRefusals() []refusal {
	bytes := ".spec.retention.bytes rule: write a quantity between 1Mi and 64Gi, such as 64Mi"
	maxEventSize := ".spec.limits.maxEventSize rule: write a quantity between 1Ki and 4Mi, such as 256Ki"
	return []refusal{
		{".spec.retention.events minimum", `spec: {retention: {events: 1}}`, `spec: {retention: {events: 0}}`, "greater than or equal to 1"},
		{".spec.retention.events maximum", `spec: {retention: {events: 1000000}}`, `spec: {retention: {events: 1000001}}`, "less than or equal to 1000000"},
		{".spec.retention.bytes pattern", `spec: {retention: {bytes: 64Mi}}`, `spec: {retention: {bytes: 64 MB}}`, "should match"},
		{bytes, `spec: {retention: {bytes: 1Mi}}`, `spec: {retention: {bytes: 1M}}`, ""},
		{bytes, `spec: {retention: {bytes: 64Gi}}`, `spec: {retention: {bytes: 65Gi}}`, ""},
		{bytes, `spec: {retention: {bytes: 1048576}}`, `spec: {retention: {bytes: 1048575}}`, ""},
		{".spec.limits.connectionsPerHub minimum", `spec: {limits: {connectionsPerHub: 1}}`, `spec: {limits: {connectionsPerHub: 0}}`, "greater than or equal to 1"},
		{".spec.limits.connectionsPerHub maximum", `spec: {limits: {connectionsPerHub: 1000000}}`, `spec: {limits: {connectionsPerHub: 1000001}}`, "less than or equal to 1000000"},
		{".spec.limits.connectionsPerIdentity minimum", reading(`issuers: [`+anIssuer+`]`, `limits: {connectionsPerIdentity: 1}`), `spec: {limits: {connectionsPerIdentity: 0}}`, "greater than or equal to 1"},
		{".spec.limits.connectionsPerIdentity maximum", reading(`issuers: [`+anIssuer+`]`, `limits: {connectionsPerIdentity: 1000000}`), `spec: {limits: {connectionsPerIdentity: 1000001}}`, "less than or equal to 1000000"},
		{perIdentity, reading(`issuers: [`+anIssuer+`]`, `limits: {connectionsPerIdentity: 1}`), `spec: {limits: {connectionsPerIdentity: 1}}`, ""},
		{perIdentity, ``, `spec: {limits: {connectionsPerIdentity: 6}}`, ""},
		{".spec.limits.eventsPerSecondPerPublisher minimum", `spec: {limits: {eventsPerSecondPerPublisher: 1}}`, `spec: {limits: {eventsPerSecondPerPublisher: 0}}`, "greater than or equal to 1"},
		{".spec.limits.eventsPerSecondPerPublisher maximum", `spec: {limits: {eventsPerSecondPerPublisher: 1000000}}`, `spec: {limits: {eventsPerSecondPerPublisher: 1000001}}`, "less than or equal to 1000000"},
		{".spec.limits.maxEventSize pattern", `spec: {limits: {maxEventSize: 256Ki}}`, `spec: {limits: {maxEventSize: large}}`, "should match"},
		{maxEventSize, `spec: {limits: {maxEventSize: 1Ki}}`, `spec: {limits: {maxEventSize: 1023}}`, ""},
		{maxEventSize, `spec: {limits: {maxEventSize: 4Mi}}`, `spec: {limits: {maxEventSize: 5Mi}}`, ""},
	}
}

func accessRefusals() []refusal {
	origins := func(o string) string { return `spec: {cors: {allowedOrigins: [` + o + `]}}` }
	grants := func(g string) string { return `spec: {auth: {publishers: {serviceAccounts: [` + g + `]}}}` }
	grant := func(fields string) string { return grants(`{name: a, ` + fields + `}`) }
	named := func(name string) string { return grants(`{name: ` + name + `}`) }
	either := ".spec.auth.publishers rule: write serviceAccounts, keys or both; or anonymous: {} alone to let everybody publish who reaches the publish port"
	accounts := ".spec.auth.publishers.serviceAccounts"
	account := accounts + "[].name rule: write the name of a ServiceAccount: lower-case letters, digits, '-' and '.'; or '*' for every one of the namespace"
	return []refusal{
		{either, `spec: {auth: {publishers: {anonymous: {}}}}`, `spec: {auth: {publishers: {}}}`, ""},
		{either, named(`a`), `spec: {auth: {publishers: {anonymous: {}, serviceAccounts: [{name: a}]}}}`, ""},
		{either, `spec: {auth: {publishers: {keys: [` + aKey + `], serviceAccounts: [{name: a}]}}}`, `spec: {auth: {publishers: {anonymous: {}, keys: [` + aKey + `]}}}`, ""},
		{accounts + " minItems", named(`a`), grants(``), "should have at least 1 items"},
		{accounts + " maxItems", grants(repeat(64, `{name: a%d}`)), grants(repeat(65, `{name: a%d}`)), "must have at most 64 items"},
		{accounts + "[] requires name", named(`a`), grants(`{topics: [a]}`), ""},
		{accounts + "[].name maxLength", named(letters(253)), named(letters(254)), "may not be more than 253"},
		{account, named(`a-1.b`), named(`Checkout`), ""},
		{account, named(`"*"`), named(`"a*"`), ""},
		{accounts + "[].namespace maxLength", grant(`namespace: ` + letters(63)), grant(`namespace: ` + letters(64)), "may not be more than 63"},
		{accounts + "[].namespace rule: write the name of a namespace: lower-case letters, digits and '-'", grant(`namespace: team-a`), grant(`namespace: team.a`), ""},
		{accounts + "[].topics minItems", grant(`topics: [a]`), grant(`topics: []`), "should have at least 1 items"},
		{accounts + "[].topics maxItems", grant(`topics: [` + repeat(64, `a%d`) + `]`), grant(`topics: [` + repeat(65, `a%d`) + `]`), "must have at most 64 items"},
		{accounts + "[].topics unique", grant(`topics: [a, b]`), grant(`topics: [a, a]`), "Duplicate value"},
		{accounts + "[].topics[] maxLength", grant(`topics: [` + letters(255) + `]`), grant(`topics: [` + letters(256) + `]`), "may not be more than 255"},
		{accounts + "[].topics[] " + topicsRule, grant(`topics: [a.*, ">"]`), grant(`topics: ["a.>.b"]`), ""},
		{accounts + "[].topics[] " + topicsRule, grant(`topics: [` + tokens(16) + `]`), grant(`topics: [` + tokens(17) + `]`), ""},
		{".spec.cors.allowedOrigins maxItems", origins(repeat(64, `https://a%d.example`)), origins(repeat(65, `https://a%d.example`)), "must have at most 64 items"},
		{".spec.cors.allowedOrigins unique", origins(`https://a.example, https://b.example`), origins(`https://a.example, https://a.example`), "Duplicate value"},
		{".spec.cors.allowedOrigins[] maxLength", origins(`https://` + letters(247)), origins(`https://` + letters(248)), "may not be more than 255"},
		{".spec.cors.allowedOrigins[] " + originRule, origins(`https://shop.example, "http://[::1]:3000"`), origins(`https://shop.example/`), ""},
		{".spec.cors.allowedOrigins[] " + originRule, origins(`"*"`), origins(`https://shop.*`), ""},
		{".spec.cors.allowedOrigins[] " + originRule, origins(`"https://*.shop.example:8443"`), origins(`"https://*shop.example"`), ""},
		{".spec.cors.allowedOrigins[] " + originRule, origins(`capacitor://localhost, ionic://localhost`), origins(`"capacitor://"`), ""},
		{".spec.cors.allowedOrigins[] " + originRule, origins(`http://localhost:3000`), origins(`shop.example`), ""},
		{".spec.cors.allowedOrigins rule: '*' allows every origin: write it alone", origins(`"*"`), origins(`"*", https://shop.example`), ""},
		{
			".spec.cors.allowCredentials rule: allowCredentials needs allowedOrigins to list the origins: browsers refuse credentials together with '*'",
			`spec: {cors: {allowCredentials: true, allowedOrigins: [https://shop.example]}}`, `spec: {cors: {allowCredentials: true, allowedOrigins: ["*"]}}`, "",
		},
	}
}

func templateRefusals() []refusal {
	template := func(fields string) string { return `spec: {template: {` + fields + `}}` }
	own := ".spec.template.annotations rule: annotations of runnel.dev, kubernetes.io and k8s.io are set by the operator and the cluster: write keys of your own domain"
	out := []refusal{
		{own, template(`annotations: {team.example/a: b, notk8s.io/a: b}`), template(`annotations: {runnel.dev/a: b}`), ""},
		{own, template(`annotations: {plain: b}`), template(`annotations: {container.apparmor.security.beta.kubernetes.io/hub: unconfined}`), ""},
		{".spec.template.annotations maxProperties", template(`annotations: {` + repeat(32, `a%d: b`) + `}`), template(`annotations: {` + repeat(33, `a%d: b`) + `}`), "at most 32 items"},
		{".spec.template.nodeSelector maxProperties", template(`nodeSelector: {` + repeat(32, `a%d: b`) + `}`), template(`nodeSelector: {` + repeat(33, `a%d: b`) + `}`), "at most 32 items"},
		{".spec.template.imagePullSecrets maxItems", template(`imagePullSecrets: [` + repeat(8, `{name: a%d}`) + `]`), template(`imagePullSecrets: [` + repeat(9, `{name: a%d}`) + `]`), "must have at most 8 items"},
		{".spec.template.imagePullSecrets unique", template(`imagePullSecrets: [{name: a}, {name: b}]`), template(`imagePullSecrets: [{name: a}, {name: a}]`), "Duplicate value"},
		{".spec.template.imagePullSecrets[].name rule: write the name of the Secret", template(`imagePullSecrets: [{name: a}]`), template(`imagePullSecrets: [{}]`), ""},
		{".spec.template.resources.claims rule: a hub takes no device: leave claims out, or write what it needs as limits", template(`resources: {}`), template(`resources: {claims: [{name: a}]}`), ""},
		{".spec.template.resources.claims unique", template(`resources: {}`), template(`resources: {claims: [{name: a}, {name: a}]}`), "Duplicate value"},
	}
	spread := `{maxSkew: 1, topologyKey: a%d, whenUnsatisfiable: DoNotSchedule}`
	out = append(out, refusal{".spec.template.topologySpreadConstraints maxItems",
		template(`topologySpreadConstraints: [` + repeat(8, spread) + `]`), template(`topologySpreadConstraints: [` + repeat(9, spread) + `]`), "must have at most 8 items"})
	out = append(out, refusal{".spec.template.topologySpreadConstraints unique",
		template(`topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}]`),
		template(`topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]`),
		"Duplicate value"})
	for _, kind := range []string{"limits", "requests"} {
		out = append(out, refusal{".spec.template.resources." + kind + "{} pattern",
			template(`resources: {` + kind + `: {memory: 1Gi}}`), template(`resources: {` + kind + `: {memory: 1 GB}}`), "should match"})
	}
	return out
}

// kubernetesRefusals are those of the parts of the template that are Kubernetes' own types: they are told by the schema alone.
func kubernetesRefusals() (out []refusal) {
	root := schema()
	for _, rule := range rulesOf("", root) {
		path, keyword, _ := strings.Cut(rule, " ")
		if !strings.HasPrefix(path, ".spec.template.") {
			continue
		}
		field, isRequired := strings.CutPrefix(keyword, "requires ")
		switch {
		case isRequired:
			value := least(at(root, path)).(map[string]any)
			whole := written(wrapped(root, path, value))
			if strings.HasPrefix(path, ".spec.template.resources.claims") {
				whole = `` // there may be none, whatever it has
			}
			delete(value, field)
			out = append(out, refusal{rule, whole, written(wrapped(root, path, value)), ""})
		case keyword == "format":
			out = append(out, refusal{rule, written(wrapped(root, path, 1)), written(wrapped(root, path, int64(1)<<31)), "int32"})
		}
	}
	return out
}

// written is an overlay that leaves alone what the valid object has.
func written(fields map[string]any) string {
	spec := fields["spec"].(map[string]any)
	text, err := yaml.Marshal(map[string]any{"spec": map[string]any{"template": spec["template"]}})
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

func letters(n int) string { return strings.Repeat("a", n) }

// tokens is a topic of n tokens.
func tokens(n int) string { return strings.TrimSuffix(strings.Repeat("a.", n), ".") }

// repeat is n items, each made of a format with its number.
func repeat(n int, format string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(items, ", ")
}

func topicsOf(n int) string { return `spec: {topics: [` + repeat(n, `{name: t%d}`) + `]}` }
