package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"tombolo/sync/hub"
)

// web is the hub's HTTP listener. Until the hub is there it says that it is not.
type web struct {
	listener net.Listener
	log      *slog.Logger
	handler  atomic.Pointer[http.Handler] // nil: not yet
}

// stopPatience is how long answers that are under way may take when the hub stops.
const stopPatience = 2 * time.Second

func openWeb(address string, log *slog.Logger) (*web, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		log.Warn("the API is open to the network, and without TLS whoever is on the way can alter what is read: let a proxy on this machine do TLS, and listen at 127.0.0.1", "http", l.Addr().String())
	}
	return &web{listener: newBounded(l), log: log}, nil
}

func (w *web) address() string { return w.listener.Addr().String() }

func (w *web) show(h http.Handler) { w.handler.Store(&h) }

// ServeHTTP implements http.Handler.
func (w *web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if h := w.handler.Load(); h != nil {
		(*h).ServeHTTP(out, r)
		return
	}
	out.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/healthz" {
		fmt.Fprintln(out, "ok")
		return
	}
	out.Header().Set("Content-Type", "application/json")
	out.Header().Set("Retry-After", "5")
	out.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(out, `{"error":"the hub is starting","what_to_do":"ask again in a few seconds"}`)
}

// serve serves until ctx ends.
func (w *web) serve(ctx context.Context) {
	s := hub.Server(w)
	s.ErrorLog = slog.NewLogLogger(w.log.Handler(), slog.LevelDebug)
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		patient, end := context.WithTimeout(context.Background(), stopPatience)
		defer end()
		if s.Shutdown(patient) != nil {
			_ = s.Close()
		}
	})
	err := s.Serve(w.listener)
	if ctx.Err() == nil && !errors.Is(err, http.ErrServerClosed) {
		w.log.Error("the API ended", "err", err)
		return
	}
	<-stopped
}
