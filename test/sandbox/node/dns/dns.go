// Package dns answers for the names of Services, as a cluster's DNS does: a Service's address, or for a headless one those of its
// endpoints that are ready, which with publishNotReadyAddresses are all of them.
package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/runnel-dev/runnel/test/sandbox/node/endpoint"
)

const (
	// Domain ends the names of all Services.
	Domain = "cluster.local"
	// host is where the server listens: nobody but the pods of this machine asks it.
	host = "127.0.0.1"
	// ports are tried until one is free for UDP and TCP.
	ports = 16
	// plainUDP is what an answer by UDP may have without EDNS, by RFC 1035, section 2.3.4; largestUDP is what is never exceeded.
	plainUDP, largestUDP = 512, 4096
	// largestTCP is what the two bytes of length before a message by TCP can say.
	largestTCP = 1<<16 - 1
	// rest is how long a TCP connection may be idle. RFC 7766, section 6.2.3, recommends a few seconds; a client on a slow and busy
	// machine may need more between its connection and its question.
	rest = 2 * time.Minute
	// pause follows an error of a socket that is not closed, such as too many open files.
	pause = 50 * time.Millisecond
)

// Server is a name server for one cluster. Its zero value is not usable.
type Server struct {
	log      logr.Logger
	services corelisters.ServiceLister
	slices   cache.SharedIndexInformer
	udp      *net.UDPConn
	tcp      net.Listener
	silent   atomic.Bool

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
}

// New listens on a port that is free for UDP and TCP, and registers with the informers, which are to be started after it. Either Run
// or Close ends it.
func New(all informers.SharedInformerFactory, log logr.Logger) (*Server, error) {
	s := &Server{
		log: log, services: all.Core().V1().Services().Lister(), slices: all.Discovery().V1().EndpointSlices().Informer(),
		conns: map[net.Conn]bool{},
	}
	if err := endpoint.IndexByService(s.slices); err != nil {
		return nil, err
	}
	var err error
	for range ports {
		if err = s.listen(); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no port of %s is free for UDP and TCP: %w", host, err)
}

func (s *Server) listen() (err error) {
	if s.tcp, err = net.Listen("tcp4", net.JoinHostPort(host, "0")); err != nil {
		return err
	}
	at := s.tcp.Addr().(*net.TCPAddr)
	if s.udp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: at.IP, Port: at.Port}); err != nil {
		return errors.Join(err, s.tcp.Close())
	}
	return nil
}

// Address is where it is asked, as host:port, by UDP and by TCP.
func (s *Server) Address() string {
	return net.JoinHostPort(host, strconv.Itoa(s.tcp.Addr().(*net.TCPAddr).Port))
}

// Silence has it answer no question any more, or all again.
func (s *Server) Silence(on bool) { s.silent.Store(on) }

// Close ends a server that is not run.
func (s *Server) Close() error { return errors.Join(s.udp.Close(), s.tcp.Close()) }

// Run answers until ctx is done, and returns when nothing of it is left. The informers' caches must be full.
func (s *Server) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.serveUDP(ctx) })
	all.Go(func() { s.serveTCP(ctx, &all) })
	<-ctx.Done()
	if err := s.Close(); err != nil {
		s.log.Error(err, "Cannot close the name server's sockets")
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close() // its own end closes it too
	}
	s.mu.Unlock()
	all.Wait()
}

func (s *Server) serveUDP(ctx context.Context) {
	in := make([]byte, largestUDP)
	for ctx.Err() == nil {
		n, from, err := s.udp.ReadFromUDPAddrPort(in)
		if err != nil {
			wait(ctx)
			continue
		}
		if out := s.answer(in[:n], plainUDP, largestUDP); out != nil {
			_, _ = s.udp.WriteToUDPAddrPort(out, from) // who got no answer asks again
		}
	}
}

func (s *Server) serveTCP(ctx context.Context, all *sync.WaitGroup) {
	for ctx.Err() == nil {
		c, err := s.tcp.Accept()
		if err != nil {
			wait(ctx)
			continue
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		all.Go(func() {
			s.serveConn(ctx, c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// serveConn answers one question after the other, each with its length before it, by RFC 1035, section 4.2.2.
func (s *Server) serveConn(ctx context.Context, c net.Conn) {
	defer func() { _ = c.Close() }()
	for ctx.Err() == nil {
		var length [2]byte
		if c.SetDeadline(time.Now().Add(rest)) != nil {
			return
		}
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		in := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, in); err != nil {
			return
		}
		out := s.answer(in, largestTCP, largestTCP)
		if out == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)); err != nil {
			return
		}
	}
}

// wait keeps a socket that fails from taking a core.
func wait(ctx context.Context) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// answer is what a message gets; nil if it is none, or the server is silent, and so gets nothing. plain bounds it for who says no size of its own, and
// largest for who does.
func (s *Server) answer(in []byte, plain, largest int) []byte {
	var message dnsmessage.Message
	if message.Unpack(in) != nil || message.Response || s.silent.Load() {
		return nil
	}
	limit := plain
	for _, r := range message.Additionals {
		if r.Header.Type == dnsmessage.TypeOPT { // its class is the size, by RFC 6891, section 6.1.2
			limit = min(max(plain, int(r.Header.Class)), largest)
		}
	}
	reply := s.reply(&message)
	out, err := reply.Pack()
	if err == nil && len(out) > limit {
		reply.Truncated, reply.Answers, reply.Authorities = true, nil, nil // it is asked again by TCP
		out, err = reply.Pack()
	}
	if err != nil {
		s.log.Error(err, "Cannot write an answer", "question", message.Questions)
		return nil
	}
	return out
}
