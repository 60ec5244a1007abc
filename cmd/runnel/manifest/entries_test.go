package manifest_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/runnel-dev/runnel/hub/config"
)

func TestEntriesOfTheSameFile(t *testing.T) {
	const text = "---\napiVersion: v1\nkind: %KIND%\nmetadata: {name: shop-ci%NAMESPACE%}\n"
	object := func(kind, namespace, rest string) string {
		if namespace != "" {
			namespace = ", namespace: " + namespace
		}
		return strings.NewReplacer("%KIND%", kind, "%NAMESPACE%", namespace).Replace(text) + rest
	}
	secret := config.Reference{Kind: config.KindSecret, Name: "shop-ci", Key: "token"}
	configMap := config.Reference{Kind: config.KindConfigMap, Name: "shop-ci", Key: "jwks"}
	inTeamA := strings.Replace(spec(""), "{name: shop}", "{name: shop, namespace: team-a}", 1)
	r := reader(t)
	for name, c := range map[string]struct {
		text    string
		want    map[config.Reference]string
		skipped string
	}{
		"none":                      {spec(""), nil, ""},
		"Secret in base64":          {spec("") + object("Secret", "", "data: {token: c2VjcmV0}\n"), map[config.Reference]string{secret: "secret"}, ""},
		"Secret as text":            {spec("") + object("Secret", "", "stringData: {token: plain}\ndata: {token: c2VjcmV0}\n"), map[config.Reference]string{secret: "plain"}, ""},
		"ConfigMap":                 {spec("") + object("ConfigMap", "", "data: {jwks: '{}'}\n"), map[config.Reference]string{configMap: "{}"}, ""},
		"ConfigMap in base64":       {spec("") + object("ConfigMap", "", "binaryData: {jwks: e30=}\n"), map[config.Reference]string{configMap: "{}"}, ""},
		"before the stream":         {object("Secret", "", "stringData: {token: plain}\n") + "---\n" + spec(""), map[config.Reference]string{secret: "plain"}, ""},
		"of a List":                 {spec("") + "---\napiVersion: v1\nkind: List\nitems:\n- " + indent(strings.TrimPrefix(object("Secret", "", "stringData: {token: plain}\n"), "---\n")), map[config.Reference]string{secret: "plain"}, ""},
		"of the same namespace":     {inTeamA + object("Secret", "team-a", "stringData: {token: plain}\n"), map[config.Reference]string{secret: "plain"}, ""},
		"of no namespace":           {inTeamA + object("Secret", "", "stringData: {token: plain}\n"), map[config.Reference]string{secret: "plain"}, ""},
		"of another namespace":      {inTeamA + object("Secret", "team-b", "stringData: {token: plain}\n"), nil, `Secret "shop-ci" of namespace team-b`},
		"of another kind of Secret": {spec("") + strings.Replace(object("Secret", "", "stringData: {token: plain}\n"), "v1", "other.example/v1", 1), nil, `Secret "shop-ci"`},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := r.Read("f.yaml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			got := map[config.Reference]string{}
			for reference, content := range m.Entries {
				got[reference] = string(content)
			}
			if !maps.Equal(got, c.want) || strings.Join(m.Skipped, "") != c.skipped {
				t.Errorf("got %v and skipped %q", got, m.Skipped)
			}
		})
	}
	for name, c := range map[string]struct{ text, want string }{
		"no base64": {object("Secret", "", "data: {token: 'secret!'}\n"), `Secret "shop-ci" cannot be used: data.token is not in base64: encode it, or write a Secret's value as it is below stringData`},
		"a number":  {object("ConfigMap", "", "data: {port: 8080}\n"), "data.port is no text: write it in quotes"},
		"no map":    {object("Secret", "", "data: secret\n"), "data is no map"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Read("f.yaml", []byte(spec("")+c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret!") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
