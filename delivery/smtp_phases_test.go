package delivery

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// slowServer is a server on a pipe that takes its time in one phase.
type slowServer struct {
	slow  phase
	delay time.Duration
	heard []string
	texts int
}

func (s *slowServer) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go s.serve(theirs)
	return ours, nil
}

func (s *slowServer) say(conn net.Conn, p phase, line string) {
	if p == s.slow {
		time.Sleep(s.delay)
	}
	_, _ = io.WriteString(conn, line+"\r\n")
}

func (s *slowServer) serve(conn net.Conn) {
	defer conn.Close()
	s.say(conn, greeted, "220 relay.test")
	in, inText := bufio.NewScanner(conn), false
	for in.Scan() {
		line := in.Text()
		if inText {
			if line == "." {
				inText = false
				s.texts++
				s.say(conn, ending, "250 kept")
			}
			continue
		}
		s.heard = append(s.heard, line)
		switch word, _, _ := strings.Cut(line, " "); word {
		case "EHLO":
			s.say(conn, introducing, "250 relay.test")
		case "MAIL":
			s.say(conn, mailing, "250 ok")
		case "RCPT":
			s.say(conn, addressing, "250 ok")
		case "DATA":
			inText = true
			s.say(conn, announcing, "354 go on")
		case "QUIT":
			s.say(conn, leaving, "221 bye")
		}
	}
}

func slowSender(t *testing.T, s *slowServer) *SMTP {
	t.Helper()
	sender, err := NewSMTP(SMTPConfig{Host: "relay.test", TLS: NoTLS, From: "a@bank.example"})
	if err != nil {
		t.Fatal(err)
	}
	sender.dial = s.dial
	return sender
}

// TestMailPhasesTakeTheirTime: RFC 5321, section 4.5.3.2, says how long a client
// waits at least. One that gives up earlier, above all after the text, sends a
// mail again that the server has taken.
func TestMailPhasesTakeTheirTime(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	for p, limit := range map[phase]time.Duration{
		greeted: 5 * time.Minute, introducing: 5 * time.Minute, mailing: 5 * time.Minute, addressing: 5 * time.Minute,
		announcing: 2 * time.Minute, ending: 10 * time.Minute,
	} {
		t.Run(string(p), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &slowServer{slow: p, delay: limit - time.Second}
				if _, err := slowSender(t, server).Send(t.Context(), m); err != nil {
					t.Errorf("an answer after %s: %v", server.delay, err)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				server := &slowServer{slow: p, delay: limit + time.Minute}
				began := time.Now()
				_, err := slowSender(t, server).Send(t.Context(), m)
				got, ok := errors.AsType[*SendError](err)
				if !ok || got.Unknown != (p == ending) || got.Permanent || got.Pause {
					t.Errorf("an answer after %s: %+v", server.delay, err)
				}
				if took := time.Since(began); took != limit {
					t.Errorf("it was waited for %s, want %s", took, limit)
				}
				synctest.Wait()
				time.Sleep(2 * time.Minute) // the server ends
			})
		})
	}
}

// TestMailGoodbyeIsNotWaitedFor: after 250 the mail is the server's.
func TestMailGoodbyeIsNotWaitedFor(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if _, err := slowSender(t, &slowServer{slow: leaving, delay: time.Hour}).Send(t.Context(), m); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the goodbye took %s", took)
		}
		time.Sleep(2 * time.Hour) // the server ends
	})
}

// TestMailOfUnknownFateIsSentRarely: the reporter's server took the mail, and
// answered too late. Three days bring a handful of copies, not hundreds.
func TestMailOfUnknownFateIsSentRarely(t *testing.T) {
	var all []time.Duration
	for spent, n := time.Duration(0), 1; spent < 72*time.Hour; n++ {
		wait := rareBackoff(n)
		all, spent = append(all, wait), spent+wait
	}
	if all[0] < time.Hour || len(all) > 10 {
		t.Errorf("waits %v", all)
	}
}

func TestSMTPTimeoutIsLongerThanAllPhases(t *testing.T) {
	m := mustRender(t, sampleTexts(t), sampleDispatch(issuance.InvitationNotice, "en"))
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := slowSender(t, &slowServer{slow: ending, delay: time.Hour}).Send(t.Context(), m)
		if err == nil || time.Since(began) >= SMTPTimeout() {
			t.Errorf("%v after %s, and a courier gives it %s", err, time.Since(began), SMTPTimeout())
		}
		time.Sleep(time.Hour)
	})
	if SMTPTimeout() < 40*time.Minute || SMTPTimeout() > time.Hour {
		t.Errorf("a try may last %s", SMTPTimeout())
	}
}
