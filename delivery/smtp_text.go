package delivery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// compose returns the mail as it goes over the wire. All that a library would
// draw at random is made from the notice, so that a second try is the same mail.
func (s *SMTP) compose(m Message) (text []byte, id string, err error) {
	sum := sha256.Sum256([]byte(m.ID))
	boundary := hex.EncodeToString(sum[:15])
	_, domain, _ := strings.Cut(s.from.Address, "@")
	id = string(m.ID) + "@" + domain

	g := gomail.NewMsg(gomail.WithBoundary(boundary), gomail.WithNoDefaultUserAgent())
	g.FromMailAddress(s.from)
	if s.replyTo != nil {
		g.ReplyToMailAddress(s.replyTo)
	}
	if err := g.To(m.To); err != nil {
		return nil, "", errors.New("the recipient's address cannot stand in a mail")
	}
	g.Subject(oneLine(m.Subject, 200))
	g.SetDateWithValue(m.Date.UTC())
	g.SetMessageIDWithValue(id)
	// RFC 3834, section 5, and the same for Exchange: no out-of-office replies.
	g.SetGenHeader("Auto-Submitted", "auto-generated")
	g.SetGenHeader("X-Auto-Response-Suppress", "All")
	g.SetBodyString(gomail.TypeTextPlain, string(m.Text.Reveal()))
	if !m.HTML.Empty() {
		g.AddAlternativeString(gomail.TypeTextHTML, string(m.HTML.Reveal()))
	}
	var b bytes.Buffer
	_, err = g.WriteTo(&b)
	return b.Bytes(), id, err
}
