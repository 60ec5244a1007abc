// Package load drives a server of Server-Sent Events and measures what its readers get. Readers holds any number of subscriber
// connections on one thread, Publisher sends numbered events from another, and a Course says which events these are. Each event
// carries a marker with its number and the time that it was sent, so that it is known for each connection what is missing, doubled,
// late or in the wrong place, and how long it took.
//
// Both sides use raw non-blocking sockets and epoll, and allocate nothing while events flow: what is measured is the server.
// It runs on Linux alone, and speaks HTTP/1.1 over IPv4 without TLS.
package load

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	// defaultPatience is how long nothing may arrive before what is missing is given up. It is many times what a slow and busy machine
	// takes, and only a run that fails waits so long.
	defaultPatience = 2 * time.Minute
	// defaultConnectPatience is how long no further connection may become ready before connecting is given up.
	defaultConnectPatience = defaultPatience
	// shown is how much of an answer that is not as expected an error holds.
	shown = 300
)

// Course is a run of numbered events: event number e, from 0, goes to topic e mod Topics.
type Course struct {
	// Start is what the markers' times count from. It is the same for readers and publisher, and in one process.
	Start time.Time
	// First is the sequence number in the marker of event 0. Courses that follow each other on the same connections must not overlap.
	First uint32
	// Count is how many events there are.
	Count int
	// Topics is how many topics they go to in turn, at least 1.
	Topics int
}

// Next returns the course of count events that follows c, and begins now.
func (c Course) Next(count int) Course {
	return Course{Start: time.Now(), First: c.First + uint32(c.Count), Count: count, Topics: c.Topics}
}

// of returns how many of the course's first n events go to a topic.
func (c Course) of(topic, n int) int {
	if topic >= c.Topics {
		return 0
	}
	return (n - topic + c.Topics - 1) / c.Topics
}

// TopicName is the name of a topic by default: t.0, t.1 and so on.
func TopicName(topic int) string { return "t." + strconv.Itoa(topic) }

// Result is what came of a course.
type Result struct {
	Received
	Published
}

// DeliveriesPerSecond counts from the first publish to the last delivery, or the last answer to a publisher if that is later.
func (r Result) DeliveriesPerSecond() float64 {
	return perSecond(r.Got, max(r.Last, r.End)-r.Begin)
}

// Faults is nil if every reader got every event of its topic once, all readers of a topic in the same order, and every publish was
// answered with success. Late events are no fault: they are normal where several requests are in flight.
func (r Result) Faults() error { return errors.Join(r.Received.Faults(), r.Published.Faults()) }

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// fault returns an error if there is something to complain about.
func fault(n int, what string) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d %s", n, what)
}
