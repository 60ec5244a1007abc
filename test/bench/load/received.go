package load

import (
	"errors"
	"fmt"
	"time"
)

// Received is what readers got of a course. Times count from the course's start.
type Received struct {
	// Expected is how many deliveries there must be: each event once for each reader of its topic. Got is how many there were, each
	// event counted once for a reader.
	Expected, Got int
	// Doubled counts deliveries of an event that the reader had already, Stray those of another topic.
	Doubled, Stray int
	// Stale counts events that are not of the course.
	Stale int
	// Late counts deliveries after one of a later number of the same topic. It is normal where several requests are in flight, which a
	// server may take in any order, and a fault where only one is.
	Late int
	// Disordered counts readers that got all events of their topic in another order than the first such reader of the topic.
	Disordered int
	// Ended counts connections that the server ended.
	Ended int
	// Last is when the last delivery came.
	Last time.Duration
	// CaughtUp is when every reader had all of the first events that ReaderOptions.Backlog says; zero if that was not reached.
	CaughtUp time.Duration
	// Latency is from just before an event was sent to the return of the read that brought it, or for a publisher with a rate from when
	// it was due.
	Latency Histogram
	// Reads counts reads that brought something, and Bytes what they brought.
	Reads, Bytes int
	// Busy is the time that the readers' thread ran, of all the time that it received: near it, the client is the limit.
	Busy time.Duration
}

// Missing is how many deliveries did not come.
func (r Received) Missing() int { return r.Expected - r.Got }

// Faults is nil if every reader got every event of its topic once, and all readers of a topic in the same order.
func (r Received) Faults() error {
	return errors.Join(
		fault(r.Missing(), fmt.Sprintf("of %d deliveries are missing", r.Expected)),
		fault(r.Doubled, "deliveries came twice"),
		fault(r.Stray, "deliveries went to readers of another topic"),
		fault(r.Disordered, "readers got their topic's events in another order than the others"),
		fault(r.Ended, "connections were ended by the server"),
	)
}

// Published is what a publisher did of a course. Times count from the course's start.
type Published struct {
	// Sent and Answered count events, and of the latter those that were answered with success.
	Sent, Answered int
	// Failed counts events whose request, or whose line of a batch, was answered with an error; Failure is the first such answer.
	Failed  int
	Failure string
	// Begin is just before the first event was sent, End when the last answer came.
	Begin, End time.Duration
	// Reply is the time from sending a request to its whole answer.
	Reply Histogram
	// Lag is by how much an event was sent after it was due at most; zero without a rate.
	Lag time.Duration
	// PublisherBusy is the time that the publisher's thread ran.
	PublisherBusy time.Duration
}

// EventsPerSecond counts events from the first publish to the last answer.
func (p Published) EventsPerSecond() float64 { return perSecond(p.Answered, p.End-p.Begin) }

// Faults is nil if every event was sent and answered with success.
func (p Published) Faults() error {
	if p.Failed == 0 && p.Answered == p.Sent {
		return nil
	}
	return errors.Join(fault(p.Sent-p.Answered-p.Failed, "publishes were not answered"), fault(p.Failed, "publishes were refused: "+p.Failure))
}
