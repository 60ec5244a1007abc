package peer

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/runnel-dev/runnel/hub/eventlog"
)

// Frame is a part of a log. One field is set, but for the end, which may say nothing.
type Frame struct {
	// Records in their order.
	Records []eventlog.Record
	// Synced is a position up to which all there was has come.
	Synced *eventlog.Position
	// End says that the log is over; Leader is who goes on with it, if anybody.
	End    bool
	Leader Peer
}

// Log is another hub's log as it comes. It is used by one goroutine, and must be closed.
type Log struct {
	// Seq is the newest sequence that the log had at first.
	Seq uint64

	frames  frameReader
	body    *http.Response
	cancel  context.CancelFunc
	silence *time.Timer
}

// Log asks for a log. It ends with the context, or when the peer says nothing for as long as Silence.
func (c *Client) Log(ctx context.Context, address string, q LogRequest) (*Log, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &Log{cancel: cancel, silence: time.AfterFunc(maxWait+Silence, cancel)} // the peer may have to wait itself
	answer, err := c.do(ctx, http.MethodGet, address, pathLog+"?"+q.query(), nil)
	if err != nil {
		l.Close()
		return nil, err
	}
	l.body = answer
	l.frames = frameReader{codec: c.codec, from: bufio.NewReaderSize(answer.Body, frameText)}
	k, body, err := l.read()
	var first begin
	if err == nil && k != kindBegin {
		err = fmt.Errorf("%w: a log begins with a frame of kind %d", ErrNoAnswer, k)
	}
	if err == nil {
		err = c.codec.decoder.Unmarshal(body, &first)
	}
	if err == nil && first.Epoch != q.Epoch {
		err = fmt.Errorf("%w: it is of epoch %.16q", ErrNoAnswer, first.Epoch)
	}
	l.Seq = first.Seq
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close ends it.
func (l *Log) Close() {
	l.silence.Stop()
	l.cancel()
	if l.body != nil {
		_ = l.body.Body.Close()
	}
}

func (l *Log) read() (kind, []byte, error) {
	l.silence.Reset(Silence)
	k, body, err := l.frames.next()
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return k, body, nil
}

// Next returns the next frame. What it holds is the caller's.
func (l *Log) Next() (f Frame, err error) {
	k, body, err := l.read()
	if err != nil {
		return f, err
	}
	switch decode := l.frames.decoder.Unmarshal; k {
	case kindRecords:
		var r records
		err = decode(body, &r)
		f.Records = r.Records
	case kindSynced:
		f.Synced = &eventlog.Position{}
		err = decode(body, f.Synced)
	case kindEnd:
		var e end
		err = decode(body, &e)
		f.End, f.Leader = true, e.Leader
	default:
		err = fmt.Errorf("a frame of kind %d is unknown", k)
	}
	if err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return f, nil
}
