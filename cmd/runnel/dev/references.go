package dev

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/runnel-dev/runnel/hub/config"
)

// waits says what the manifest refers to and is not there, in lines of their own; empty is nothing. On this machine each entry is a
// file below a directory.
func waits(c *config.Config, missing []string, directory string) string {
	var lines []string
	for _, r := range c.References() {
		i := slices.IndexFunc(missing, func(m string) bool { return m == r.String() || strings.HasPrefix(m, r.String()+":") })
		if i < 0 {
			continue
		}
		line := "Waiting for " + missing[i] + ": put it into " + file(r, directory) + ".\n"
		if directory == "" {
			line = "Missing is " + missing[i] + ": write the " + r.Kind + " into the manifest; or start with --references DIR, and put it into " + file(r, "DIR") + ".\n"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

// file is where an entry is looked for.
func file(r config.Reference, directory string) string {
	return filepath.Join(directory, strings.ToLower(r.Kind)+"s", r.Name, r.Key)
}

// refresh takes up what the manifest refers to, and says what has come of it.
func (s *session) refresh() {
	text := ""
	if err := s.hub.Refresh(); err != nil {
		text = "Refused: " + err.Error() + "\n"
	}
	text += waits(s.plan.config, s.hub.Status().Missing, s.options.References)
	switch text {
	case s.waits:
	case "":
		s.printf("All that the manifest refers to is there.\n")
	default:
		s.printf("%s", text)
	}
	s.waits = text
}
