package config

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Version is the newest version of the document that this code reads. It reads every version before it, too.
const Version = 1

// ExitVersion is the exit code of a hub that cannot start since the version of its document is newer than Version: EX_CONFIG of sysexits.h.
const ExitVersion = 78

// Addition is a field that was added after version 1, or a value that a field may have only since then. A hub that is older refuses every
// document that has it.
//
// The zero value of a new field means what older hubs do, and a document omits it. A configuration with the built-in value of the field has it
// at zero, or every document would need the new version.
type Addition struct {
	// Field is the path of the field in an EventStream's spec, such as auth.subscribers.jwt.issuers.tokenType, as people know it.
	Field string
	// Version is the first version of the document that has the field, at least 2.
	Version int
	// Used reports whether a configuration has the field.
	Used func(*Config) bool
	// LeaveOut takes the field out of a configuration, so that Used no longer reports true. What is left is valid and grants nothing that the
	// configuration did not grant. So a field that restricts a grant takes the grant with it: without a restriction on an issuer's tokens
	// that the hub does not know, the hub would accept more of them, so the whole issuer goes. Fit takes care of the last grant that goes.
	// A limit is no grant and goes alone. LeaveOut has no effect on a configuration without the field.
	LeaveOut func(*Config)
}

// Additions are all fields that were added after version 1. The order does not matter.
type Additions []Addition

// Added returns the additions that this code knows. A new field gets an entry here, and its version becomes Version.
func Added() Additions { return nil }

// Version returns the newest version of documents with these additions.
func (a Additions) Version() int {
	newest := 1
	for _, f := range a {
		newest = max(newest, f.Version)
	}
	return newest
}

// Needed returns the lowest version of a document that can express the configuration.
func (a Additions) Needed(c *Config) int {
	needed := 1
	for _, f := range a {
		if f.Used(c) {
			needed = max(needed, f.Version)
		}
	}
	return needed
}

// Fit returns a configuration for hubs that read documents up to a version, and what had to be left out of c for them. It has the lowest
// version that can express it, so that documents stay as they are when this code learns a new version. It grants nothing that c does not
// grant. It does not change c.
func (a Additions) Fit(c *Config, version int) (fitted *Config, left Additions, err error) {
	if a.Needed(c) <= version {
		same := *c
		same.Version = a.Needed(c)
		return &same, nil, nil
	}
	fitted = &Config{}
	b, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(b, fitted)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("configuration cannot be copied: %w", err)
	}
	for _, f := range a {
		if f.Version > version && f.Used(c) {
			f.LeaveOut(fitted)
			left = append(left, f)
		}
	}
	fitted.Auth.closeEmpty()
	fitted.Version = a.Needed(fitted)
	return fitted, left, nil
}

// closeEmpty lets in nobody where the last grant is gone.
func (a *Auth) closeEmpty() {
	if jwt := a.Subscribers.JWT; jwt != nil && len(jwt.Issuers) == 0 {
		a.Subscribers.JWT = nil
	}
	if a.Subscribers == (Subscribers{}) {
		a.Subscribers.Nobody = &Nobody{}
	}
	p := &a.Publishers
	if p.ServiceAccounts != nil && len(p.ServiceAccounts.Grants) == 0 {
		p.ServiceAccounts = nil
	}
	if p.ServiceAccounts == nil && len(p.Keys) == 0 && p.Anonymous == nil {
		p.Nobody = &Nobody{}
	}
}

// Fields returns the names of the additions' fields with the version that each needs, each once and sorted.
func (a Additions) Fields() (names []string) {
	for _, f := range a {
		names = append(names, fmt.Sprintf("%s needs version %d", f.Field, f.Version))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// VersionError is the error of a document whose version is not known.
type VersionError struct {
	// Got is the document's version.
	Got float64
	// Newest is the newest version that is known.
	Newest int
}

// Error names both versions.
func (e *VersionError) Error() string {
	known := "1"
	if e.Newest > 1 {
		known = fmt.Sprintf("1 to %d", e.Newest)
	}
	return fmt.Sprintf("version: %v is not known to this hub, it reads %s", e.Got, known)
}
