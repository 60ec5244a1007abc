package manifest_test

import (
	"strings"
	"testing"
)

func TestMergeKeysMayBeOverridden(t *testing.T) {
	r := reader(t)
	for name, c := range map[string]struct {
		retention string
		events    int
	}{
		"nothing":        {"{<<: *shared}", 10},
		"a key":          {"\n      <<: *shared\n      events: 7\n", 7},
		"by another one": {"{<<: [{events: 8}, *shared]}", 8},
		"twice":          {"\n      <<: *shared\n      <<: {age: 6m}\n      events: 9\n", 9},
	} {
		t.Run(name, func(t *testing.T) {
			anchors := "apiVersion: v1\nkind: List\nmetadata: {annotations: &shared {events: 10, age: 5m}}\nitems:\n- "
			m, err := r.Read("f.yaml", []byte(anchors+indent(spec("  retention: "+c.retention+"\n"))))
			if err != nil {
				t.Fatal(err)
			}
			config, err := m.Config()
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Topics[0].Events; got != c.events {
				t.Errorf("%d events, want %d", got, c.events)
			}
		})
	}
	for name, text := range map[string]string{
		"of the mapping itself": "\n    <<: {events: 1}\n    events: 2\n    events: 3\n",
		"of what is merged":     "\n    <<: {events: 1, events: 2}\n",
	} {
		if _, err := r.Read("f.yaml", []byte(spec("  retention: "+text))); err == nil || !strings.Contains(err.Error(), `key "events" already set in map`) {
			t.Errorf("a key that is there twice, %s: %v", name, err)
		}
	}
}

func TestATabIsCalledATab(t *testing.T) {
	r := reader(t)
	for name, c := range map[string]struct{ text, want string }{
		"before a key":        {head + "spec:\n\ttopics: []\n", "document 1: line 5 is indented by a tab"},
		"after spaces":        {head + "spec:\n  topics: []\n  \tcors: {}\n", "line 6 is indented by a tab"},
		"in the first line":   {"\tapiVersion: v1\n", "line 1 is indented by a tab"},
		"after a dash":        {head + "spec:\n  topics:\n  - \tname: a\n", "line 6 is indented by a tab"},
		"before a dash":       {head + "spec:\n  topics:\n\t- name: a\n", "line 6 is indented by a tab"},
		"in a text":           {head + "spec: |\n\ttopics\n", "line 5 is indented by a tab"},
		"in a later document": {head + "---\na:\n\tb: 1\n", "document 2: line 2 is indented by a tab"},
		"not at all":          {"a: @b\n", "found character that cannot start any token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Read("f.yaml", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(c.want, "tab") && !strings.Contains(err.Error(), "write spaces") {
				t.Errorf("%v does not say what to write", err)
			}
		})
	}
}
