package dev

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/hub/config"
)

// changes says in one line what differs between two plans: topics and entries by their names, anything else by its path. It is empty when
// nothing does.
func changes(old, now *plan) string {
	return strings.Join(append(configChanges(old.config, now.config), entryChanges(old.used(), now.used())...), ", ")
}

func configChanges(old, now *config.Config) []string {
	parts := topicChanges(old.Topics, now.Topics)
	was, is := leaves(old), leaves(now)
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if was[path] != is[path] {
			parts = append(parts, fmt.Sprintf("%s %s → %s", path, cmp.Or(was[path], "unset"), cmp.Or(is[path], "unset")))
		}
	}
	return parts
}

// entryChanges tells nothing of what entries hold.
func entryChanges(old, now manifest.Entries) (parts []string) {
	for r, content := range now {
		before, known := old[r]
		switch {
		case !known:
			parts = append(parts, r.String()+" added")
		case !bytes.Equal(before, content):
			parts = append(parts, r.String()+" changed")
		}
	}
	for r := range old {
		if _, stays := now[r]; !stays {
			parts = append(parts, r.String()+" removed")
		}
	}
	slices.Sort(parts)
	return parts
}

func topicChanges(old, now []config.Topic) []string {
	var parts []string
	was := map[string]config.Topic{}
	for _, t := range old {
		was[t.Name] = t
	}
	for _, t := range now {
		before, known := was[t.Name]
		delete(was, t.Name)
		switch {
		case !known:
			parts = append(parts, "topic "+t.Name+" added")
		case before != t:
			parts = append(parts, fmt.Sprintf("topic %s keeps %d events for %s instead of %d for %s",
				t.Name, t.Events, t.Age, before.Events, before.Age))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		parts = append(parts, "topic "+name+" removed")
	}
	return parts
}

// leaves returns every value of a configuration but its topics as JSON, by its path in the document. A list is one value.
func leaves(c *config.Config) map[string]string {
	rest := *c
	rest.Topics = nil
	text, err := config.Encode(&rest)
	if err != nil {
		return map[string]string{"configuration": err.Error()}
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		return map[string]string{"configuration": err.Error()}
	}
	found := map[string]string{}
	gather(found, "", document)
	return found
}

func gather(found map[string]string, path string, v any) {
	if m, ok := v.(map[string]any); ok && len(m) > 0 {
		for k, v := range m {
			gather(found, strings.TrimPrefix(path+"."+k, "."), v)
		}
		return
	}
	if s, ok := v.(string); ok {
		found[path] = s
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(err.Error())
	}
	found[path] = string(text)
}
