package delivery

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// provider is a Sender that does what the test says, and notes what it is given.
type provider struct {
	answer func(ctx context.Context, m Message, try int) (string, error)

	mu      sync.Mutex
	tries   map[issuance.NoticeID][]time.Time
	texts   map[issuance.NoticeID][]string
	atOnce  int
	mostAll int
}

func (p *provider) Send(ctx context.Context, m Message) (string, error) {
	p.mu.Lock()
	if p.tries == nil {
		p.tries, p.texts = map[issuance.NoticeID][]time.Time{}, map[issuance.NoticeID][]string{}
	}
	p.tries[m.ID] = append(p.tries[m.ID], time.Now())
	p.texts[m.ID] = append(p.texts[m.ID], fmt.Sprint(m, string(m.Text.Reveal()), string(m.HTML.Reveal())))
	try := len(p.tries[m.ID])
	p.atOnce++
	p.mostAll = max(p.mostAll, p.atOnce)
	answer := p.answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.atOnce--
		p.mu.Unlock()
	}()
	return answer(ctx, m, try)
}

// Check is tested with real senders.
func (p *provider) Check(context.Context) (string, error) { return "", nil }

// from has the provider answer so from now on.
func (p *provider) from(answer func(context.Context, Message, int) (string, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// triesOf returns when the notice with id was tried.
func (p *provider) triesOf(id issuance.NoticeID) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tries[id])
}

// total returns how many tries there were, of all notices.
func (p *provider) total() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tries {
		n += len(t)
	}
	return n
}

// courierHouse is a courier for SMS in a bubble of time.
type courierHouse struct {
	*memory
	courier *Courier
	log     *bytes.Buffer
	stop    context.CancelFunc
	ended   chan struct{}
}

// runCourier starts a courier. It must be called in a synctest bubble.
func runCourier(t *testing.T, sender Sender, prepare func(*memory), change ...func(*CourierConfig)) *courierHouse {
	t.Helper()
	h := &courierHouse{memory: newMemory(), log: new(bytes.Buffer), ended: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := CourierConfig{Registrar: registrarOn(t, h.memory, log), Channel: issuance.SMS, Sender: sender, Texts: sampleTexts(t), Now: time.Now, Log: log}
	for _, f := range change {
		f(&c)
	}
	var err error
	if h.courier, err = NewCourier(c); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(h.memory)
	}
	ctx, stop := context.WithCancel(t.Context())
	h.stop = stop
	go func() {
		defer close(h.ended)
		if err := h.courier.Run(ctx); err != nil {
			t.Errorf("Run returned %v", err)
		}
	}()
	return h
}

// waiting returns the messages that wait.
func (h *courierHouse) waiting(t *testing.T) (out []issuance.Notice) {
	t.Helper()
	err := h.courier.Registrar.Read(t.Context(), func(tx issuance.Reader) (err error) {
		out, err = tx.DueNotices(issuance.SMS, time.Now().AddDate(1, 0, 0), issuance.MaxPage)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

// end stops the courier and waits for it.
func (h *courierHouse) end() {
	h.stop()
	<-h.ended
}

func accepts(context.Context, Message, int) (string, error) { return "SM1", nil }
