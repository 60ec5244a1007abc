package dev

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/runnel-dev/runnel/hub"
)

// refusalsPerSecond is how many refusals are printed in a second: more than a person reads, and few enough for a terminal that stays of use
// while a client tries again and again.
const refusalsPerSecond = 20

// refusals are what the hub refuses, on the way to a person.
type refusals struct {
	waiting chan refusal
	dropped atomic.Int64 // since nobody reads that fast
}

type refusal struct {
	at time.Time
	hub.Refusal
}

func newRefusals() *refusals { return &refusals{waiting: make(chan refusal, refusalsPerSecond)} }

// note takes a refusal and does not wait, since the hub's loops call it.
func (r *refusals) note(what hub.Refusal) {
	select {
	case r.waiting <- refusal{time.Now(), what}:
	default:
		r.dropped.Add(1)
	}
}

// run prints refusals until ctx is done.
func (r *refusals) run(ctx context.Context, printf func(string, ...any)) {
	for {
		var second <-chan time.Time // from the first refusal on
		for printed, over := 0, false; !over; {
			waiting := r.waiting
			if printed == refusalsPerSecond {
				waiting = nil
			}
			select {
			case <-ctx.Done():
				return
			case what := <-waiting:
				printf("%s\n", what)
				printed++
				if second == nil {
					second = time.After(time.Second)
				}
			case <-second:
				over = true
			}
		}
		if n := r.dropped.Swap(0); n > 0 {
			printf("%d more were refused, too many to print.\n", n)
		}
	}
}

// String is the line for a person. What a client sent cannot move the cursor of a terminal by it.
func (r refusal) String() string {
	detail := strings.Map(func(c rune) rune {
		if unicode.IsGraphic(c) {
			return c
		}
		return unicode.ReplacementChar
	}, r.Detail)
	return r.at.Format("15:04:05.000") + " " + r.Port + " refused: " + strconv.Itoa(r.Status) + " " + r.Code + ": " + detail
}
