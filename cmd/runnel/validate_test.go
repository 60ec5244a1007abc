package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"

// invalid is a stream whose topic is malformed.
func invalid(name string) string {
	return strings.NewReplacer("shop", name, "orders", "a b").Replace(valid)
}

func TestValidateAccepts(t *testing.T) {
	out, problems, err := execute(t, "validate", "-f", file(t, valid+"---\n"+service))
	if err != nil || out != "OK\n" || !strings.Contains(problems, `Service "web" is not checked`) {
		t.Errorf("got %q, %q, %v", out, problems, err)
	}
}

// files writes files of these names and contents, and returns their directory.
func files(t *testing.T, all map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range all {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestValidateChecksAllThatIsNamed(t *testing.T) {
	root := files(t, map[string]string{
		"good/a.yaml": valid, "good/b.yml": valid + "---\n" + service, "good/c.json": inJSON, "good/notes.txt": "not YAML: [", "good/below/d.yaml": invalid("below"),
		"bad/a.yaml": invalid("first"), "bad/b.yaml": invalid("second") + "---\n" + invalid("third"), "bad/c.yaml": valid,
		"[x].yaml": valid, "empty/notes.txt": "",
	})
	at := func(name string) string { return filepath.Join(root, name) }
	if err := os.Symlink(at("good"), at("link")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args, stdin string
		out         string   // with success
		refused     []string // parts of the error
	}{
		"the first of two":               {"-f bad/a.yaml -f good/a.yaml", "", "", []string{at("bad/a.yaml") + `: The EventStream "first" is invalid: spec.topics[0].name`}},
		"the second of two":              {"-f good/a.yaml -f bad/a.yaml", "", "", []string{`The EventStream "first"`}},
		"both of two":                    {"-f bad/a.yaml -f bad/b.yaml", "", "", []string{`"first"`, at("bad/b.yaml") + `: The EventStream "second"`, `"third"`}},
		"two good ones":                  {"-f good/a.yaml -f good/b.yml", "", "OK: 2 EventStreams\n", nil},
		"parted by a comma":              {"-f good/a.yaml,bad/a.yaml", "", "", []string{`"first"`}},
		"one that is not there":          {"-f nowhere.yaml -f good/a.yaml", "", "", []string{"nowhere.yaml: no such file"}},
		"and one that is bad":            {"-f nowhere.yaml -f bad/a.yaml", "", "", []string{"nowhere.yaml: no such file", `"first"`}},
		"one twice":                      {"-f good/a.yaml -f good/a.yaml", "", "OK\n", nil},
		"a directory":                    {"-f good", "", "OK: 3 EventStreams\n", nil},
		"a directory behind a link":      {"-f link", "", "OK: 3 EventStreams\n", nil},
		"a directory with bad ones":      {"-f bad", "", "", []string{`"first"`, `"second"`, `"third"`}},
		"a directory and below":          {"-R -f good", "", "", []string{at("good/below/d.yaml") + `: The EventStream "below"`}},
		"a directory without any":        {"-f empty", "", "", []string{"holds no file that ends in .json, .yaml, .yml"}},
		"a pattern":                      {"-f bad/*.yaml", "", "", []string{`"first"`, `"second"`, `"third"`}},
		"a pattern for directories":      {"-f *d", "", "", []string{`"first"`, `"third"`}},
		"a pattern that nothing matches": {"-f bad/*.yml", "", "", []string{"no file matches", "*.yml"}},
		"a malformed pattern":            {"-f bad/[", "", "", []string{"is no pattern"}},
		"a name like a pattern":          {"-f [x].yaml", "", "OK\n", nil},
		"a pattern of the shell":         {"-f good/a.yaml bad/a.yaml bad/b.yaml", "", "", []string{`"first"`, `"third"`}},
		"standard input":                 {"-f -", valid, "OK\n", nil},
		"bad standard input":             {"-f good/a.yaml -f -", invalid("piped"), "", []string{`standard input: The EventStream "piped"`}},
		"standard input with nothing":    {"-f -", "", "", []string{"there is no EventStream in -: write one with apiVersion"}},
		"standard input that is no YAML": {"-f -", "a: [", "", []string{"standard input cannot be read: document 1"}},
		"a URL":                          {"-f https://shop.example/stream.yaml", "", "", []string{"curl https://shop.example/stream.yaml | runnel validate -f -"}},
		"several streams of a file":      {"-f bad/b.yaml", "", "", []string{`"second"`, `"third"`}},
	} {
		t.Run(name, func(t *testing.T) {
			args := strings.Fields(c.args)
			for i, a := range args {
				if !strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "https:") {
					args[i] = at(strings.ReplaceAll(a, ",", ","+root+"/"))
				}
			}
			command := newCommand("runnel")
			var out, problems bytes.Buffer
			command.SetIn(strings.NewReader(c.stdin))
			command.SetOut(&out)
			command.SetErr(&problems)
			command.SetArgs(append([]string{"validate"}, args...))
			err := command.ExecuteContext(t.Context())
			if out.String() != c.out || (err == nil) != (c.out != "") {
				t.Errorf("got %q, %v; want %q", out.String(), err, c.out)
			}
			for _, part := range c.refused {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v; want %q", err, part)
				}
			}
		})
	}
}

const inJSON = `{"apiVersion":"runnel.dev/v1alpha1","kind":"EventStream","metadata":{"name":"shop"},"spec":{"topics":[{"name":"orders"}],"auth":{"subscribers":{"anonymous":{}}}}}`

func TestDevServesOneFileThatItCanFollow(t *testing.T) {
	path := file(t, valid)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"two files":      {[]string{"-f", path, "-f", file(t, valid)}, "2 files are named, and one is served"},
		"standard input": {[]string{"-f", "-"}, "standard input cannot be read again when it changes"},
		"a directory":    {[]string{"-f", filepath.Dir(path)}, "is a directory, and one file is served: write -f "},
	} {
		t.Run(name, func(t *testing.T) {
			if out, _, err := execute(t, append([]string{"dev"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
				t.Errorf("got %q, %v; want %q", out, err, c.want)
			}
		})
	}
}
