// Package dev runs an EventStream in this process: what an API server, the operator and a pod do for it in a cluster.
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/runnel-dev/runnel/cmd/runnel/manifest"
	"github.com/runnel-dev/runnel/config/crd"
	"github.com/runnel-dev/runnel/hub"
	"github.com/runnel-dev/runnel/hub/config"
	"github.com/runnel-dev/runnel/hub/follow"
	"github.com/runnel-dev/runnel/hub/reference"
)

// Options says what to run and where.
type Options struct {
	// Filename of the manifest.
	Filename string
	// SubscribeAddr, PublishAddr and AdminAddr are where the hub listens, each host:port; port 0 picks one.
	SubscribeAddr, PublishAddr, AdminAddr string
	// InsecurePublish lets everybody publish, where the manifest asks for ServiceAccount tokens.
	InsecurePublish bool
	// References is the directory with what the manifest refers to: secrets/<name>/<key> and configmaps/<name>/<key>. It need not
	// exist yet; empty is none. An entry that is not there may be in the manifest.
	References string
	// Logger takes the hub's log; nil is silence.
	Logger *slog.Logger
	// Out receives what a person reads: addresses, notes, changes and refusals. Run writes to it from one goroutine at a time.
	Out io.Writer
}

// Run serves the manifest's EventStream until ctx is done, then drains and returns nil. Changes of the file are taken up; one
// that is refused is printed and changes nothing. An error says why it could not start or go on.
//
// Readers that read are gone within half of DrainLimit. A client that neither reads nor goes away keeps Run for longer, up to
// the hub's stall timeout: whoever cannot wait ends the process.
func Run(ctx context.Context, o Options) error {
	reader, err := manifest.NewReader(crd.EventStreams)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(o.Filename)
	if err != nil {
		return err
	}
	s := &session{options: o, reader: reader, refusals: newRefusals()}
	if s.plan, err = s.read(text); err != nil {
		return err
	}
	follower := follow.New(o.Filename, text)
	s.hub, err = hub.New(hub.Options{
		Config:          s.plan.config,
		References:      o.References,
		OtherReferences: func(r config.Reference) []byte { return s.plan.manifest.Entries[r] },
		Refused:         s.refusals.note,
		SubscribeAddr:   o.SubscribeAddr,
		PublishAddr:     o.PublishAddr,
		AdminAddr:       o.AdminAddr,
		Logger:          o.Logger,
	})
	if err != nil {
		return errors.Join(err, follower.Close())
	}
	return s.run(ctx, follower)
}

// session is one run of a manifest.
type session struct {
	options  Options
	reader   *manifest.Reader
	hub      *hub.Hub
	plan     *plan
	waits    string // what was last said of references
	refusals *refusals
	printing sync.Mutex // of Out
}

func (s *session) read(text []byte) (*plan, error) {
	m, err := s.reader.Read(s.options.Filename, text)
	if err != nil {
		return nil, err
	}
	return newPlan(m, s.options.InsecurePublish)
}

// run serves and follows the file side by side; when one ends, so does the other.
func (s *session) run(ctx context.Context, f *follow.Follower) error {
	s.printf("%s", banner(s.plan, s.hub.Addrs(), s.options.References))
	s.refresh()
	f.Also(reference.In(s.options.References).Directories, s.refresh)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var followed error
	var work sync.WaitGroup
	work.Go(func() { followed = f.Run(ctx, s.changed, s.lost, s.watched) })
	work.Go(func() { s.refusals.run(ctx, s.printf) })
	err := s.hub.Run(ctx)
	cancel()
	work.Wait()
	return errors.Join(err, followed)
}

// changed takes up the file's new content.
func (s *session) changed(text []byte) {
	now, err := s.read(text)
	if err == nil {
		err = now.follows(s.plan)
	}
	if err != nil {
		s.printf("Refused, and what ran before goes on: %v\n", err)
		return
	}
	line := changes(s.plan, now)
	before := s.plan
	s.plan = now // which the hub reads entries of
	if line != "" {
		if err := s.hub.Reload(now.config); err != nil {
			s.plan = before
			s.printf("Refused, and what ran before goes on: %v\n", err)
			return
		}
		s.printf("Reloaded: %s.\n", line)
	} else {
		s.printf("Nothing to reload: the file changed in nothing that a hub is told.\n")
	}
	for _, n := range now.newNotes(before) {
		s.printf("Note: %s.\n", n)
	}
}

func (s *session) lost(err error) {
	s.printf("What ran before goes on, and the file is taken up when it is back: %v\n", err)
}

func (s *session) watched(err error) {
	if err != nil {
		s.printf("Changes are noticed within %v, since they cannot be watched for: %v\n", follow.PollInterval, err)
		return
	}
	s.printf("Changes are noticed at once again.\n")
}

func (s *session) printf(format string, args ...any) {
	s.printing.Lock()
	defer s.printing.Unlock()
	_, _ = fmt.Fprintf(s.options.Out, format, args...) // nobody is left to tell
}
