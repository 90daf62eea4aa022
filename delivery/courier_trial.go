package delivery

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Check signs in at the provider and sends nothing, as [Sender] says.
func (c *Courier) Check(ctx context.Context) (seen string, err error) {
	sender, _ := c.via()
	return sender.Check(ctx)
}

// Trial sends a test message to an address or number at once, independently of the
// queue, and returns the provider's id for it. It is never sent again. It contains
// no secret and is not stored. Its acceptance ends a pause.
func (c *Courier) Trial(ctx context.Context, to, language string) (providerID string, err error) {
	m, err := c.Texts.trial(c.Channel, to, language)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, min(c.Timeout, trialTimeout))
	defer cancel()
	m.ID, m.Date = issuance.NoticeID("test-"+rand.Text()), c.Now()
	sender, _ := c.via()
	id, err := sender.Send(ctx, m)
	if err != nil {
		c.Log.Warn("test message not accepted", "error", err)
		return "", err
	}
	c.Log.Info("test message accepted", "provider_id", id)
	c.resume()
	c.Hurry()
	return id, nil
}

// trialTimeout is how long somebody waits for what becomes of a test message.
const trialTimeout = 30 * time.Second

// trial writes the test message for a channel.
func (t *Texts) trial(channel issuance.Channel, to, language string) (Message, error) {
	m := Message{Channel: channel, To: to, Language: t.language(language)}
	w := t.writer(m.Language, issuance.Dispatch{})
	if channel == issuance.SMS {
		err := w.sms(&m, func(string) string { return w.say("test") })
		return m, err
	}
	l := w.letter("test")
	l.Greeting, l.Opening = w.say("test.greeting"), []string{w.say("test.what"), w.say("test.next")}
	err := w.mail(&m, l)
	return m, err
}
