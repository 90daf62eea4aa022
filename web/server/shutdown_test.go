package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// dialled serves h and connects to it; stop ends the serving, whose error comes on served.
func dialled(t *testing.T, h http.HandlerFunc) (s *Server, conn net.Conn, stop func(), served <-chan error) {
	t.Helper()
	s, err := New(Options{Name: "test", Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	if conn, err = net.Dial("tcp", s.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return s, conn, stop, ended
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	s, conn, stop, served := dialled(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-leave
		fmt.Fprint(w, "done")
	})
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	stop()
	close(leave)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(answer.Body); string(body) != "done" {
		t.Errorf("the request under way is answered with %q", body)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("the address is still served")
	}
}

// TestAfterFollowsTheAnswer lets something follow an answer that has not ended
// when the next one is given, and when the listener is to stop.
func TestAfterFollowsTheAnswer(t *testing.T) {
	leave := make(chan struct{})
	var followed sync.WaitGroup
	followed.Add(2)
	_, conn, stop, served := dialled(t, func(w http.ResponseWriter, _ *http.Request) {
		After(w, func() {
			<-leave
			followed.Done()
			panic("after the request")
		})
		fmt.Fprint(w, "done")
	})
	answers := bufio.NewReader(conn)
	for range 2 {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(answer.Body); string(body) != "done" {
			t.Errorf("answered with %q", body)
		}
	}
	stop()
	select {
	case <-served:
		t.Fatal("the listener stopped before what follows its answers had ended")
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	if err := <-served; err != nil {
		t.Error(err)
	}
	followed.Wait()
}

func TestShutdownCutsWhatDoesNotFinish(t *testing.T) {
	arrived := make(chan struct{})
	s, err := New(Options{Name: "test", Addr: "127.0.0.1:0", Grace: time.Millisecond, Log: slog.New(slog.DiscardHandler), Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-arrived
		stop()
	}()
	go func() {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err == nil {
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			_, _ = io.ReadAll(conn)
			conn.Close()
		}
	}()
	if err := s.Serve(ctx); err != nil {
		t.Error(err)
	}
}
