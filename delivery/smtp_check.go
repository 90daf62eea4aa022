package delivery

import (
	"context"
	"strconv"
)

// Check connects, starts TLS, signs in and says goodbye.
func (s *SMTP) Check(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	t := smtpTry{SMTP: s, stage: connecting}
	c, conn, err := t.dial(ctx)
	if err != nil {
		return "", t.refusal(ctx, err)
	}
	defer conn.Close()
	_ = c.Quit() // it was let in; how the server takes the goodbye changes nothing
	seen := "connected to " + s.config.Host + ":" + strconv.Itoa(s.config.Port)
	if s.config.Username != "" {
		seen += ", signed in as " + s.config.Username
	}
	return seen, nil
}
