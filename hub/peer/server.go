package peer

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/runnel-dev/runnel/hub/auth"
	"github.com/runnel-dev/runnel/hub/eventlog"
)

// Credentials show who a hub is, and know who others are.
type Credentials interface {
	// Token is the hub's own. It may change from call to call.
	Token() (string, error)
	// Authenticate verifies the Authorization header of who asks.
	Authenticate(authorization string) error
	// Verify verifies the token of who answers.
	Verify(token string) error
}

// Host is the hub that a Server speaks for. Its methods are called concurrently, and after who asks has shown that it is a hub of the
// stream. The errors that it means to tell are *Refusal; any other one is CodeLater's.
type Host interface {
	// Credentials of the hub; nil hands nothing over.
	Credentials() Credentials
	// State of the hub now.
	State() State
	// Log returns the log of an epoch, for somebody who asks for it. It may wait until there is one, no longer than the context. Close is
	// called when the asker is gone.
	Log(context.Context, LogRequest) (Source, error)
	// Take seals the log, and stores nothing again in that epoch before it is granted the right itself. The same asker gets the same answer
	// by the same number, as long as that is so.
	Take(context.Context, Take) (Taken, error)
	// Append stores what another hub was sent.
	Append(context.Context, Append) (Appended, error)
	// Superseded hears who leads in another epoch.
	Superseded(context.Context, Claim) error
	// Offered hears that the leader is about to end.
	Offered(context.Context, Offer) error
}

// Source is a log that is copied. It is used by one goroutine.
type Source interface {
	// Begin is the epoch of the log and its newest sequence.
	Begin() (epoch string, seq uint64)
	// Position is how far it was told.
	Position() eventlog.Position
	// Next is that of eventlog.Feed.
	Next(limit int, into []eventlog.Record) (records []eventlog.Record, more bool)
	// News is sent to whenever there may be more records, or the log may be over.
	News() <-chan struct{}
	// Over says that nobody adds to the log here any more, and who does so elsewhere. What Next returns afterwards is all.
	Over() (leader Peer, over bool)
	// Close gives the source back.
	Close()
}

// Server answers peers.
type Server struct {
	host   Host
	logger *slog.Logger
	codec  codec
	mux    *http.ServeMux
}

// maxWait bounds how long a request may wait for what is about to be decided.
const maxWait = 5 * time.Second

// NewServer returns a Server for a hub.
func NewServer(host Host, logger *slog.Logger) (*Server, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	s := &Server{host: host, logger: logger, codec: c, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET "+pathState, func(w http.ResponseWriter, _ *http.Request) { s.answer(w, s.host.State(), nil) })
	s.mux.HandleFunc("GET "+pathLog, s.serveLog)
	s.mux.HandleFunc("POST "+pathTake, serve(s, maxSmall, host.Take))
	s.mux.HandleFunc("POST "+pathAppend, serve(s, maxBody, host.Append))
	s.mux.HandleFunc("POST "+pathSuperseded, serve(s, maxSmall, done(host.Superseded)))
	s.mux.HandleFunc("POST "+pathOffer, serve(s, maxSmall, done(host.Offered)))
	s.mux.HandleFunc(Prefix, func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, nil, Refuse(CodeVersion, "it speaks version %d and knows no %s %.64q", Version, r.Method, r.URL.Path))
	})
	return s, nil
}

// ServeHTTP implements http.Handler for the paths below Prefix. Nobody who has not shown a token of a hub of this stream is told more than
// that.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	credentials := s.host.Credentials()
	if credentials == nil {
		s.answer(w, nil, Refuse(CodeAlone, "it has no peers"))
		return
	}
	if err := credentials.Authenticate(r.Header.Get("Authorization")); err != nil {
		s.logger.Warn("a peer is refused", "from", r.RemoteAddr, "path", r.URL.Path[:min(len(r.URL.Path), maxReason)], "error", err)
		if errors.Is(err, auth.ErrNotReady) {
			s.answer(w, nil, Refuse(CodeLater, "%v", err))
			return
		}
		s.answer(w, nil, Refuse(CodeToken, "%v", err))
		return
	}
	token, err := credentials.Token()
	if err != nil {
		s.answer(w, nil, Refuse(CodeAlone, "it has no token to show"))
		return
	}
	w.Header().Set(tokenHeader, token)
	s.mux.ServeHTTP(w, r)
}

// nothing is an answer that says no more than that it is one.
type nothing struct{}

func done[Q any](do func(context.Context, Q) error) func(context.Context, Q) (nothing, error) {
	return func(ctx context.Context, q Q) (nothing, error) { return nothing{}, do(ctx, q) }
}

// serve reads a question, and answers it.
func serve[Q, A any](s *Server, most int64, do func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var question Q
		if err := s.codec.read(r.Body, most, &question); err != nil {
			s.answer(w, nil, Refuse(CodeMalformed, "the body cannot be read: %v", err))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), maxWait)
		defer cancel()
		answer, err := do(ctx, question)
		s.answer(w, answer, err)
	}
}

// answer writes an answer, or an error in its place.
func (s *Server) answer(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			refusal = Refuse(CodeLater, "%v", err)
		}
		status, v = refusal.Status, refusal
	}
	body, err := s.codec.encoder.Marshal(v)
	if err != nil {
		s.logger.Error("an answer to a peer cannot be encoded", "error", err)
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who asked may be gone
}

// Names of a log request's parameters.
const (
	parameterEpoch                                        = "epoch"
	parameterSeq, parameterIDs, parameterCompletions      = "seq", "ids", "completions"
	parameterAddress, parameterInstance, parameterStarted = "address", "instance", "started"
)

func (q LogRequest) query() string {
	number := func(n uint64) []string { return []string{strconv.FormatUint(n, 10)} }
	v := url.Values{
		parameterEpoch: {q.Epoch}, parameterSeq: number(q.After.Seq), parameterIDs: number(q.After.IDs), parameterCompletions: number(q.After.Completions),
		parameterAddress: {q.By.Address}, parameterInstance: {q.By.Instance}, parameterStarted: {strconv.FormatInt(q.By.Started, 10)},
	}
	return v.Encode()
}

func readLogRequest(v url.Values) (q LogRequest, err error) {
	number := func(name string) uint64 {
		n, bad := strconv.ParseUint(v.Get(name), 10, 64)
		err = errors.Join(err, bad)
		return n
	}
	q = LogRequest{
		Epoch: v.Get(parameterEpoch),
		After: eventlog.Position{Seq: number(parameterSeq), IDs: number(parameterIDs), Completions: number(parameterCompletions)},
		By:    Peer{Address: v.Get(parameterAddress), Instance: v.Get(parameterInstance)},
	}
	started, bad := strconv.ParseInt(v.Get(parameterStarted), 10, 64)
	q.By.Started = started
	return q, errors.Join(err, bad)
}
