package delivery

import (
	"context"
	"strconv"
)

// Check connects, starts TLS, signs in and says goodbye.
func (s *SMTP) Check(ctx context.Context) (string, error) {
	t := smtpTry{SMTP: s}
	if err := t.exchange(ctx, nil); err != nil {
		return "", t.refusal(ctx, err)
	}
	seen := "connected to " + s.config.Host + ":" + strconv.Itoa(s.config.Port)
	if s.config.Username != "" {
		seen += ", signed in as " + s.config.Username
	}
	return seen, nil
}
