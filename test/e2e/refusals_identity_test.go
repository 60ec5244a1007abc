package e2e_test

import (
	"fmt"
	"strings"
)

// What makes a valid JSON Web Token issuer and a valid key of a publisher.
const (
	anIssuer = `{issuer: https://id.example, audiences: [shop], jwksURI: https://id.example/keys, topics: [orders]}`
	aKey     = `{name: ci, secretRef: {name: shop-ci}}`
)

const perIdentity = ".spec.limits.connectionsPerIdentity rule: it needs auth.subscribers.jwt, since anonymous subscribers have no identity: " +
	"write jwt, or leave connectionsPerIdentity out"

// reading is a spec whose readers have tokens; jwt are the fields of spec.auth.subscribers.jwt, and more are those of spec.
func reading(jwt string, more ...string) string {
	return `spec: {auth: {subscribers: {anonymous: null, jwt: {` + jwt + `}}}, ` + strings.Join(more, ", ") + `}`
}

// issuedBy is a spec with one issuer of readers' tokens: a valid one that has these fields in place of its own. A field that is
// not to be there is written as null.
func issuedBy(fields ...string) string {
	own := []string{`issuer: https://id.example`, `audiences: [shop]`, `jwksURI: https://id.example/keys`, `topics: [orders]`}
	kept := fields
	for _, f := range own {
		name, _, _ := strings.Cut(f, ":")
		replaced := false
		for _, g := range fields {
			replaced = replaced || strings.HasPrefix(g, name+":")
		}
		if !replaced {
			kept = append(kept, f)
		}
	}
	return reading(`issuers: [{` + strings.Join(kept, ", ") + `}]`)
}

func readerRefusals() []refusal {
	const jwt = ".spec.auth.subscribers.jwt"
	either := ".spec.auth.subscribers rule: write either anonymous: {} to let everybody read, or jwt: {issuers: [...]} to let in subscribers by their tokens"
	cookie := jwt + ".cookie rule: write the name of a cookie: letters, digits and ! # $ % & ' * + - . ^ _ ` | ~, such as __Secure-runnel"
	with := func(fields string) string { return reading(`issuers: [` + anIssuer + `], ` + fields) }
	named := func(format string) string {
		return `{issuer: ` + format + `, audiences: [shop], jwksURI: https://id.example/keys, topics: [orders]}`
	}
	return []refusal{
		{either, ``, `spec: {auth: {subscribers: {anonymous: null}}}`, ""},
		{either, reading(`issuers: [` + anIssuer + `]`), `spec: {auth: {subscribers: {anonymous: {}, jwt: {issuers: [` + anIssuer + `]}}}}`, ""},
		{jwt + " requires issuers", reading(`issuers: [` + anIssuer + `]`), reading(`cookie: runnel`), ""},
		{jwt + ".issuers minItems", reading(`issuers: [` + anIssuer + `]`), reading(`issuers: []`), "should have at least 1 items"},
		{jwt + ".issuers maxItems", reading(`issuers: [` + repeat(16, named(`a%d`)) + `]`), reading(`issuers: [` + repeat(17, named(`a%d`)) + `]`), "must have at most 16 items"},
		{jwt + ".issuers unique", reading(`issuers: [` + named(`a`) + `, ` + named(`b`) + `]`), reading(`issuers: [` + named(`a`) + `, ` + named(`a`) + `]`), "Duplicate value"},
		{jwt + ".cookie maxLength", with(`cookie: ` + letters(128)), with(`cookie: ` + letters(129)), "may not be more than 128"},
		{cookie, with(`cookie: "__Secure-aZ09!#$%&'*+.^_` + "`" + `|~"`), with(`cookie: "a;b"`), ""},
		{cookie, with(`cookie: __Host-runnel`), with(`cookie: a=b`), ""},
		{cookie, with(`cookie: a.b`), with(`cookie: a b`), ""},
		{cookie, with(`cookie: a`), with(`cookie: "(a)"`), ""},
		{cookie, with(`cookie: a`), with(`cookie: '"a"'`), ""},
		{cookie, with(`cookie: a`), with(`cookie: ""`), ""},
		{jwt + ".tickets requires secretRef", with(`tickets: {secretRef: {name: a}}`), with(`tickets: {}`), ""},
	}
}

func issuerRefusals() []refusal {
	const path = ".spec.auth.subscribers.jwt.issuers[]"
	keys := path + " rule: write exactly one of jwksURI, jwks and hmac: by it the tokens are verified"
	granted := path + ".topics rule: write either topics, such as [public.>, 'users.{sub}.>'], or topicsClaim: they say what the tokens let read"
	uri := path + ".jwksURI rule: write an absolute https:// URL, such as https://id.example/keys; http:// only for a Service of the cluster, " +
		"<service>.<namespace>.svc, such as http://id.infra.svc/keys, or localhost"
	templates := path + ".topics[] rule: write a topic, a pattern or a template of at most 16 tokens of A-Z a-z 0-9 _ ~ - parted by '.', " +
		"such as orders.eu, public.> or users.{sub}.>; a claim in braces is a whole token of at most 64 bytes"
	claim := path + ".topicsClaim rule: write the path of a claim: names of A-Z a-z 0-9 _ : / - parted by '.', such as runnel.topics"
	either := path + ".jwks rule: write either configMapRef or secretRef, such as configMapRef: {name: issuer}"
	authority := path + ".caBundleRef rule: caBundleRef is for the server of jwksURI: write jwksURI, or leave caBundleRef out"
	at := func(url string) string { return issuedBy(`jwksURI: "` + url + `"`) }
	topics := func(list string) string { return issuedBy(`topics: [` + list + `]`) }
	claimed := func(c string) string { return issuedBy(`topics: null`, `topicsClaim: "`+c+`"`) }
	jwks := func(fields string) string { return issuedBy(`jwksURI: null`, `jwks: {`+fields+`}`) }
	out := []refusal{
		{keys, jwks(`configMapRef: {name: a}`), issuedBy(`jwksURI: null`), ""},
		{keys, issuedBy(`jwksURI: null`, `hmac: {secretRef: {name: a}}`), issuedBy(`hmac: {secretRef: {name: a}}`), ""},
		{keys, at(`https://id.example`), issuedBy(`jwks: {secretRef: {name: a}}`, `hmac: {secretRef: {name: a}}`), ""},
		{granted, claimed(`topics`), issuedBy(`topicsClaim: topics`), ""},
		{granted, topics(`orders`), issuedBy(`topics: null`), ""},
		{path + " requires issuer", issuedBy(), issuedBy(`issuer: null`), ""},
		{path + ".issuer minLength", issuedBy(`issuer: a`), issuedBy(`issuer: ""`), "should be at least 1 chars long"},
		{path + ".issuer maxLength", issuedBy(`issuer: ` + letters(512)), issuedBy(`issuer: ` + letters(513)), "may not be more than 512"},
		{path + " requires audiences", issuedBy(), issuedBy(`audiences: null`), ""},
		{path + ".audiences minItems", issuedBy(`audiences: [a]`), issuedBy(`audiences: []`), "should have at least 1 items"},
		{path + ".audiences maxItems", issuedBy(`audiences: [` + repeat(16, `a%d`) + `]`), issuedBy(`audiences: [` + repeat(17, `a%d`) + `]`), "must have at most 16 items"},
		{path + ".audiences unique", issuedBy(`audiences: [a, b]`), issuedBy(`audiences: [a, a]`), "Duplicate value"},
		{path + ".audiences[] minLength", issuedBy(`audiences: [a]`), issuedBy(`audiences: [""]`), "should be at least 1 chars long"},
		{path + ".audiences[] maxLength", issuedBy(`audiences: [` + letters(255) + `]`), issuedBy(`audiences: [` + letters(256) + `]`), "may not be more than 255"},
		{path + ".jwksURI maxLength", at(`https://a/` + letters(1014)), at(`https://a/` + letters(1015)), "may not be more than 1024"},
		{path + ".topics minItems", topics(`a`), topics(``), "should have at least 1 items"},
		{path + ".topics maxItems", topics(repeat(64, `a%d`)), topics(repeat(65, `a%d`)), "must have at most 64 items"},
		{path + ".topics unique", topics(`a, b`), topics(`a, a`), "Duplicate value"},
		{path + ".topics[] maxLength", topics(letters(255)), topics(letters(256)), "may not be more than 255"},
		{templates, topics(`orders, "*.a", "public.>", ">", "{sub}", "users.{sub}.>", "{https://id.example/tenant}.*"`), topics(`a, "users.{sub}x"`), ""},
		{templates, topics(`"{` + letters(64) + `}"`), topics(`"{` + letters(65) + `}"`), ""},
		{templates, topics(`"` + tokens(15) + `.{sub}"`), topics(`"` + tokens(16) + `.{sub}"`), ""},
		{templates, topics(`"` + strings.Repeat(`{a.b}.`, 15) + `{a.b}"`), topics(`"` + strings.Repeat(`{a.b}.`, 16) + `{a.b}"`), ""},
		{templates, topics(`"{a.b}"`), topics(`"{a..b}"`), ""},
		{templates, topics(`"{a}"`), topics(`"{}"`), ""},
		{templates, topics(`"{a}.{b}"`), topics(`"{a}{b}"`), ""},
		{templates, topics(`"a.>"`), topics(`"a.>.b"`), ""},
		{path + ".topicsClaim maxLength", claimed(letters(64)), claimed(letters(65)), "may not be more than 64"},
		{claim, claimed(`https://id.example/topics`), claimed(`a b`), ""},
		{claim, claimed(`a.b`), claimed(`a.`), ""},
		{claim, claimed(`a`), claimed(``), ""},
		{either, jwks(`configMapRef: {name: a}`), jwks(``), ""},
		{either, jwks(`secretRef: {name: a}`), jwks(`configMapRef: {name: a}, secretRef: {name: a}`), ""},
		{authority, issuedBy(`caBundleRef: {configMapRef: {name: a}}`), issuedBy(`jwksURI: null`, `hmac: {secretRef: {name: a}}`, `caBundleRef: {configMapRef: {name: a}}`), ""},
		{path + ".caBundleRef requires configMapRef", issuedBy(`caBundleRef: {configMapRef: {name: a}}`), issuedBy(`caBundleRef: {}`), ""},
		{path + ".hmac requires secretRef", issuedBy(`jwksURI: null`, `hmac: {secretRef: {name: a}}`), issuedBy(`jwksURI: null`, `hmac: {}`), ""},
	}
	for accepted, refused := range map[string]string{
		"https://id.example/keys":               "http://id.example/keys",
		"https://id.example:8443/keys?policy=a": "https://",
		"https://[2001:db8::1]/keys":            "https://user:password@id.example/keys",
		"https://10.0.0.1":                      "ftp://id.example/keys",
		"http://id.infra.svc/keys":              "http://id.infra.svc.example/keys",
		"http://id.infra.svc:8080":              "http://id.infra.svc.cluster.local/keys",
		"http://id.infra.svc":                   "http://svc/keys",
		"http://localhost:8000/keys":            "http://localhost.example/keys",
		"http://127.0.0.1/keys":                 "/keys",
		"http://[::1]:8080/keys":                "https://id.example/keys#first",
		"https://id.example/a%20b":              "https://id.example/a b",
	} {
		out = append(out, refusal{uri, at(accepted), at(refused), ""})
	}
	return out
}

// referenceRefusals are those of all that names an entry of a Secret or ConfigMap, and of who may publish by one.
func referenceRefusals() []refusal {
	const (
		keys      = ".spec.auth.publishers.keys"
		issuer    = ".spec.auth.subscribers.jwt.issuers[]"
		tls       = ".spec.tls"
		secret    = "rule: write the name of a Secret: lower-case letters, digits, '-' and '.'"
		publisher = "rule: write a name of lower-case letters, digits and '-', such as ci"
	)
	of := func(list string) string { return `spec: {auth: {publishers: {keys: [` + list + `]}}}` }
	key := func(fields string) string { return of(`{` + fields + `, secretRef: {name: a}}`) }
	topics := func(list string) string { return key(`name: ci, topics: [` + list + `]`) }
	out := []refusal{
		{keys + " minItems", of(aKey), of(``), "should have at least 1 items"},
		{keys + " maxItems", of(repeat(64, `{name: a%d, secretRef: {name: a}}`)), of(repeat(65, `{name: a%d, secretRef: {name: a}}`)), "must have at most 64 items"},
		{keys + " unique", of(`{name: a, secretRef: {name: a}}, {name: b, secretRef: {name: a}}`), of(aKey + `, ` + aKey), "Duplicate value"},
		{keys + "[] requires name", of(aKey), of(`{secretRef: {name: a}}`), ""},
		{keys + "[] requires secretRef", of(aKey), of(`{name: ci}`), ""},
		{keys + "[].name maxLength", key(`name: ` + letters(63)), key(`name: ` + letters(64)), "may not be more than 63"},
		{keys + "[].name " + publisher, key(`name: ci-1`), key(`name: CI`), ""},
		{keys + "[].name " + publisher, key(`name: a`), key(`name: ""`), ""},
		{keys + "[].topics minItems", topics(`a`), topics(``), "should have at least 1 items"},
		{keys + "[].topics maxItems", topics(repeat(64, `a%d`)), topics(repeat(65, `a%d`)), "must have at most 64 items"},
		{keys + "[].topics unique", topics(`a, b`), topics(`a, a`), "Duplicate value"},
		{keys + "[].topics[] maxLength", topics(letters(255)), topics(letters(256)), "may not be more than 255"},
		{keys + "[].topics[] " + topicsRule, topics(`a.*, ">"`), topics(`"users.{sub}"`), ""},
		{keys + "[].topics[] " + topicsRule, topics(tokens(16)), topics(tokens(17)), ""},
		{tls + " requires secretName", `spec: {tls: {secretName: a}}`, `spec: {tls: {}}`, ""},
		{tls + ".secretName maxLength", `spec: {tls: {secretName: ` + letters(253) + `}}`, `spec: {tls: {secretName: ` + letters(254) + `}}`, "may not be more than 253"},
		{tls + ".secretName " + secret, `spec: {tls: {secretName: shop.tls-1}}`, `spec: {tls: {secretName: Shop}}`, ""},
		{tls + ".secretName " + secret, `spec: {tls: {secretName: a}}`, `spec: {tls: {secretName: ../a}}`, ""},
		{tls + ".secretName " + secret, `spec: {tls: {secretName: a}}`, `spec: {tls: {secretName: ""}}`, ""},
	}
	for path, with := range map[string]func(reference string) string{
		keys + "[].secretRef": func(r string) string { return of(`{name: ci, secretRef: ` + r + `}`) },
		".spec.auth.subscribers.jwt.tickets.secretRef": func(r string) string {
			return reading(`issuers: [` + anIssuer + `], tickets: {secretRef: ` + r + `}`)
		},
		issuer + ".hmac.secretRef":           func(r string) string { return issuedBy(`jwksURI: null`, `hmac: {secretRef: `+r+`}`) },
		issuer + ".jwks.secretRef":           func(r string) string { return issuedBy(`jwksURI: null`, `jwks: {secretRef: `+r+`}`) },
		issuer + ".caBundleRef.configMapRef": func(r string) string { return issuedBy(`caBundleRef: {configMapRef: ` + r + `}`) },
		issuer + ".jwks.configMapRef":        func(r string) string { return issuedBy(`jwksURI: null`, `jwks: {configMapRef: `+r+`}`) },
	} {
		name := path + ".name rule: write the name of a Secret or ConfigMap: lower-case letters, digits, '-' and '.'"
		entry := path + ".key rule: write the key of an entry: letters, digits, '-', '_' and '.', such as token"
		named := func(n string) string { return with(fmt.Sprintf("{name: %q}", n)) }
		keyed := func(k string) string { return with(fmt.Sprintf("{name: a, key: %q}", k)) }
		out = append(out,
			refusal{path + " requires name", named("a"), with(`{key: a}`), ""},
			refusal{path + ".name maxLength", named(letters(253)), named(letters(254)), "may not be more than 253"},
			refusal{name, named("a-1.b2"), named("A"), ""},
			refusal{name, named("a"), named(""), ""},
			refusal{name, named("a.b"), named("a..b"), ""},
			refusal{name, named("a.b"), named("../a"), ""},
			refusal{path + ".key maxLength", keyed(letters(253)), keyed(letters(254)), "may not be more than 253"},
			refusal{entry, keyed("aZ-_0.9"), keyed("a/b"), ""},
			refusal{entry, keyed(".a"), keyed(".."), ""},
			refusal{entry, keyed("a..b"), keyed("..data"), ""},
			refusal{entry, keyed("a"), keyed("."), ""},
			refusal{entry, keyed("a"), keyed(""), ""},
		)
	}
	return out
}
