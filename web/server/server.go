package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/postern-ca/postern/web/limit"
)

// The limits of every listener.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	maxBody           = 1 << 20
	shutdownGrace     = 10 * time.Second
)

// Options says what a listener serves, and how. Name, Handler and Log are required,
// and Addr or Listener.
type Options struct {
	Name     string // of the listener, in logs and measurements: public, plain, admin, mtls, auth
	Addr     string // host:port; a port of 0 is chosen by the system
	Listener net.Listener
	Handler  http.Handler
	// TLSConfig has certificates; nil serves plain HTTP.
	TLSConfig *tls.Config
	HTTP2     bool // over TLS
	// Connections bounds how many there are at a time; nil: nothing does. New names it.
	Connections *limit.Connections
	Log         *slog.Logger
	Metrics     *Metrics // nil: nothing is measured
	// HSTS is for how long browsers are told to keep to https (RFC 6797), where a request
	// came over TLS: 0 for a year, negative for not at all.
	HSTS time.Duration
	// Hosts are the host names, without port, that requests to the listener may
	// have; empty for any. A listener that trusts everybody who can reach it must
	// set them, because a foreign page in a local browser can reach it by a name of
	// its own (DNS rebinding).
	Hosts []string
	// Source says which address a request comes from, for its log event; nil: that of
	// its connection.
	Source *limit.Source
	// Failed writes the answer after a panic; nil writes a problem document.
	Failed func(http.ResponseWriter, *http.Request)
	// ConnContext, OnShutdown: as in http.Server.
	ConnContext func(context.Context, net.Conn) context.Context
	OnShutdown  func()

	MaxBody      int64         // bytes of a request's body; 0: 1 MB
	ReadTimeout  time.Duration // of a whole request; 0: 30 s
	WriteTimeout time.Duration // of an answer, unless its handler calls Extend; 0: 1 min
	Grace        time.Duration // for requests to finish at shutdown; 0: 10 s
}

// Server is one listener.
type Server struct {
	opts     Options
	http     *http.Server
	stack    *stack
	listener net.Listener
}

// New begins to listen, so that the caller knows that the address is free, and the
// port. It serves nothing before Serve is called. The caller must call Serve or
// Close.
func New(o Options) (*Server, error) {
	if o.Name == "" || o.Handler == nil || o.Log == nil || o.Addr == "" && o.Listener == nil {
		return nil, errors.New("server: Name, Handler, Log and an address are needed")
	}
	if o.MaxBody <= 0 {
		o.MaxBody = maxBody
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.ReadTimeout, readTimeout}, {&o.WriteTimeout, writeTimeout}, {&o.Grace, shutdownGrace}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	listener := o.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", o.Addr); err != nil {
			return nil, fmt.Errorf("opening the %s listener: %w", o.Name, err)
		}
	}
	if o.Connections == nil {
		o.Connections = new(limit.Connections)
	}
	o.Connections.Name, o.Connections.Log = o.Name, o.Log
	o.Metrics.watch(o.Name, o.Connections)
	stack := newStack(o)
	return &Server{opts: o, http: newHTTP(o, stack), stack: stack, listener: o.Connections.Listen(listener)}, nil
}

func newHTTP(o Options, stack *stack) *http.Server {
	s := &http.Server{
		Handler:           stack,
		ReadHeaderTimeout: min(readHeaderTimeout, o.ReadTimeout),
		ReadTimeout:       o.ReadTimeout,
		WriteTimeout:      o.WriteTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       o.ConnContext,
		ConnState:         o.Connections.State,
		ErrorLog:          log.New(lines{o.Log, o.Name}, "", 0),
		Protocols:         new(http.Protocols),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(o.HTTP2)
	if o.TLSConfig != nil {
		s.TLSConfig = o.TLSConfig.Clone()
	}
	if o.OnShutdown != nil {
		s.RegisterOnShutdown(o.OnShutdown)
	}
	return s
}

// Addr returns the address that s listens on, with its port.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close releases the address, whether it was served or not, and aborts what is being
// answered.
func (s *Server) Close() error {
	err := s.http.Close() // it knows the listener only once it was served
	if closing := s.listener.Close(); !errors.Is(closing, net.ErrClosed) {
		err = errors.Join(err, closing)
	}
	return err
}

// Serve serves until ctx ends. Then it accepts no more connections, lets requests
// finish for up to Options.Grace, and aborts the rest. It returns nil after a
// shutdown, even if requests were aborted, and otherwise the error.
func (s *Server) Serve(ctx context.Context) error {
	stopped := make(chan struct{})
	served := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ctx.Done():
			s.shutdown()
		case <-served:
		}
	}()
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	close(served)
	<-stopped
	s.stack.after.stop()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving the %s listener: %w", s.opts.Name, err)
}

func (s *Server) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Grace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.opts.Log.Warn("requests were aborted at shutdown", "listener", s.opts.Name, "grace", s.opts.Grace, "error", err)
		s.http.Close()
	}
}

// Extend gives the request another d from now for writing its answer, if
// Options.WriteTimeout is too short: for a handler that waits, or streams a lot.
func Extend(w http.ResponseWriter, d time.Duration) {
	// A writer that has no deadlines (a test's) needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// lines makes log events of what net/http has to say: refused handshakes mostly.
type lines struct {
	log  *slog.Logger
	name string
}

func (l lines) Write(line []byte) (int, error) {
	l.log.Debug("a connection failed", "listener", l.name, "reason", string(line[:max(0, len(line)-1)]))
	return len(line), nil
}
