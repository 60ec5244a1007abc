package dev

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/hub/config"
)

// DrainLimit is how long a local hub may take to end: who presses Ctrl-C waits for it.
const DrainLimit = 2 * time.Second

// maxDrain is the longest drain window of a local hub. It leaves the other half of the limit for last writes.
const maxDrain = DrainLimit / 2

// noteTemplate is what is said of a template at first and whenever it changes.
const noteTemplate = "spec.template is skipped: it is about pods, and there are none here"

// plan is what a manifest comes to on this machine.
type plan struct {
	manifest *manifest.Manifest
	config   *config.Config
	// notes say what a cluster would do and this machine does not, a sentence each.
	notes []string
}

func newPlan(m *manifest.Manifest, insecurePublish bool) (*plan, error) {
	c, err := m.Config()
	if err != nil {
		return nil, err
	}
	p := &plan{manifest: m, config: c}
	c.Drain.Window = min(c.Drain.Window, config.Duration(maxDrain))
	for _, s := range m.Skipped {
		p.note("%s is skipped: an EventStream is run here, with the Secrets and ConfigMaps of its namespace", s)
	}
	if m.Stream.Spec.Template != nil {
		p.note(noteTemplate)
	}
	if m.Stream.Spec.Suspend {
		p.note("spec.suspend is skipped: it stops an operator, and there is none here")
	}
	p.publishers(insecurePublish)
	p.keyURLs()
	return p, nil
}

// publishers puts up for what only a cluster has.
func (p *plan) publishers(insecure bool) {
	if p.config.Auth.Publishers.ServiceAccounts == nil {
		return
	}
	if insecure {
		p.config.Auth.Publishers = config.Publishers{Anonymous: &config.Anonymous{}}
		p.note("everybody who reaches the publish address may publish; in a cluster it takes a token of %s", p.serviceAccounts())
		return
	}
	if len(p.config.Auth.Publishers.Keys) > 0 {
		p.note("only who has a key can publish: a token of %s only a cluster can give; "+
			"start with --insecure-publish to let everybody publish here", p.serviceAccounts())
		return
	}
	p.note("nobody can publish: it takes a token of %s, which only a cluster can give; "+
		"start with --insecure-publish to let everybody publish here", p.serviceAccounts())
}

// serviceAccounts names those that the manifest lets publish.
func (p *plan) serviceAccounts() string {
	auth := p.manifest.Stream.Spec.Auth
	if auth.Publishers == nil {
		return fmt.Sprintf("a ServiceAccount of namespace %s", p.manifest.Stream.Namespace)
	}
	var all []string
	for _, g := range auth.Publishers.ServiceAccounts {
		namespace := g.Namespace
		if namespace == "" {
			namespace = p.manifest.Stream.Namespace
		}
		if g.Name == "" {
			all = append(all, namespace+"/*")
			continue
		}
		all = append(all, namespace+"/"+g.Name)
	}
	return "ServiceAccount " + strings.Join(all, " or ")
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// follows says whether a running hub can go from the plan old to p.
func (p *plan) follows(old *plan) error {
	if was, is := name(old), name(p); was != is {
		return fmt.Errorf("this is %s, another EventStream than %s: start it by a runnel dev of its own", is, was)
	}
	return nil
}

// newNotes returns the notes that were not said of the plan old, and the one about a template that has changed.
func (p *plan) newNotes(old *plan) []string {
	template := p.manifest.Stream.Spec.Template
	changed := template != nil && !equality.Semantic.DeepEqual(template, old.manifest.Stream.Spec.Template)
	var fresh []string
	for _, n := range p.notes {
		if !slices.Contains(old.notes, n) || changed && n == noteTemplate {
			fresh = append(fresh, n)
		}
	}
	return fresh
}

// used are those of the manifest's entries that its stream refers to.
func (p *plan) used() manifest.Entries {
	used := manifest.Entries{}
	for _, r := range p.config.References() {
		if content, ok := p.manifest.Entries[r]; ok {
			used[r] = content
		}
	}
	return used
}

// name is a stream's namespace and name.
func name(p *plan) string { return p.config.Stream.Namespace + "/" + p.config.Stream.Name }

// openToPublish says whether anybody can publish to a hub on this machine.
func (p *plan) openToPublish() bool { return p.config.Auth.Publishers.Anonymous != nil }
