// Package loglevel is the flag that says how much a program logs.
package loglevel

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
)

// Level is the least level that is logged. It is a flag's value, of package flag as well as of pflag, and a slog.Leveler.
type Level slog.Level

var names = []string{"debug", "info", "warn", "error"}

// Level implements slog.Leveler.
func (l *Level) Level() slog.Level { return slog.Level(*l) }

// String implements flag.Value.
func (l *Level) String() string { return strings.ToLower(slog.Level(*l).String()) }

// Set implements flag.Value. It takes the names that String gives.
func (l *Level) Set(text string) error {
	if !slices.Contains(names, text) {
		return errors.New("write debug, info, warn or error")
	}
	return (*slog.Level)(l).UnmarshalText([]byte(text))
}

// Type implements pflag.Value.
func (l *Level) Type() string { return "level" }
