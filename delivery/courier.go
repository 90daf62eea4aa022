package delivery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// CourierConfig is what a Courier needs. Registrar, Channel, Sender, Texts, Now and
// Log must be set; zero durations and numbers take the defaults. Sender can be
// replaced later with [Courier.SetSender].
type CourierConfig struct {
	Registrar *issuance.Registrar
	Channel   issuance.Channel
	Sender    Sender
	Texts     *Texts
	Now       func() time.Time
	Log       *slog.Logger

	Workers int           // messages sent at the same time; 0 for 4
	Timeout time.Duration // of one try to send; 0 for 45 seconds
	// Lease is the time after which a notice that was not settled is sent again; 0
	// for Timeout plus 90 seconds, in which it is settled.
	Lease time.Duration
	Probe time.Duration // between two tries while the channel is paused; 0 for a minute
	Drain time.Duration // how long Run waits at its end for messages that are being sent; 0 for 15 seconds
}

// Courier takes the notices of one channel when they are due, sends each at least
// once, and always unchanged, and reports the outcome to the registrar.
type Courier struct {
	CourierConfig
	wake  chan struct{}
	hurry chan struct{} // ends the rest of a paused channel

	mu        sync.Mutex
	sender    Sender
	senders   int // how often sender was replaced
	status    Status
	followers map[chan struct{}]issuance.NoticeID // told once the notice was tried
}

// NewCourier returns a courier that does nothing until it is Run, or an error that
// names what is missing in c.
func NewCourier(c CourierConfig) (*Courier, error) {
	if c.Registrar == nil || c.Channel == "" || c.Sender == nil || c.Texts == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("delivery: a field of the courier's configuration is not set")
	}
	c.Workers, c.Timeout = cmp.Or(c.Workers, 4), cmp.Or(c.Timeout, 45*time.Second)
	c.Lease = cmp.Or(c.Lease, c.Timeout+90*time.Second)
	c.Probe, c.Drain = cmp.Or(c.Probe, time.Minute), cmp.Or(c.Drain, 15*time.Second)
	if c.Workers < 0 || c.Timeout < 0 || c.Probe < 0 || c.Drain < 0 || c.Lease <= c.Timeout {
		return nil, errors.New("delivery: the courier's lease must be longer than its timeout, and no number negative")
	}
	c.Log = c.Log.With("channel", string(c.Channel))
	return &Courier{
		CourierConfig: c, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), sender: c.Sender,
		followers: make(map[chan struct{}]issuance.NoticeID),
	}, nil
}

// Wake tells the courier that a notice is waiting. It never blocks.
func (c *Courier) Wake() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Run delivers until ctx is done. Then it takes no more notices, waits up to Drain
// for those being sent, cuts off the rest, which is sent again after the next
// start, and returns nil.
func (c *Courier) Run(ctx context.Context) error {
	sending, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	free := make(chan struct{}, c.Workers)
	for range c.Workers {
		free <- struct{}{}
	}
	var running sync.WaitGroup
	release := func(n int) {
		for range n {
			free <- struct{}{}
		}
	}
	for ctx.Err() == nil {
		n := acquire(ctx, free)
		if c.Status().Paused {
			release(n)
			c.probe(ctx, sending)
			continue
		}
		taken := c.take(ctx, n)
		release(n - len(taken))
		for _, d := range taken {
			running.Go(func() {
				c.deliver(sending, d)
				release(1)
			})
		}
		if len(taken) < n {
			c.sleep(ctx, c.untilNext(ctx), c.wake)
		}
	}
	limit := time.AfterFunc(c.Drain, cutOff)
	defer limit.Stop()
	running.Wait()
	return nil
}

// acquire waits for a free worker, takes all that are free, and returns how
// many; 0 if ctx is done. A notice is leased only when somebody can send it.
func acquire(ctx context.Context, free <-chan struct{}) (n int) {
	select {
	case <-free:
		n++
	case <-ctx.Done():
		return 0
	}
	for {
		select {
		case <-free:
			n++
		default:
			return n
		}
	}
}

// take leases up to n due notices; none if the store has a bad moment.
func (c *Courier) take(ctx context.Context, n int) []issuance.Dispatch {
	if n == 0 {
		return nil
	}
	taken, err := c.Registrar.TakeNotices(ctx, c.Channel, n, c.Lease)
	if err != nil && ctx.Err() == nil {
		c.Log.Error("taking notices", "error", err)
		c.sleep(ctx, storeRest, nil)
	}
	return taken
}

// probe tries one notice of a paused channel; the others stay where they are.
func (c *Courier) probe(ctx, sending context.Context) {
	c.sleep(ctx, c.Probe, c.hurry)
	for _, d := range c.take(ctx, 1) {
		c.deliver(sending, d)
	}
}

// The courier looks at least as often as longestSleep, because another node may
// have queued a notice, or the clock may have been set; and it does not look
// more often than shortestSleep when what is due is not to be had.
const (
	longestSleep  = 15 * time.Second
	shortestSleep = 250 * time.Millisecond
	storeRest     = 2 * time.Second // after the store has returned an error
)

// untilNext returns how long nothing will be due.
func (c *Courier) untilNext(ctx context.Context) time.Duration {
	var next time.Time
	err := c.Registrar.Read(ctx, func(tx issuance.Reader) (err error) {
		next, err = tx.NextNotice(c.Channel)
		return err
	})
	if err != nil || next.IsZero() {
		return longestSleep
	}
	return min(max(next.Sub(c.Now()), shortestSleep), longestSleep)
}

func (c *Courier) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// deliver sends one notice and settles it.
func (c *Courier) deliver(ctx context.Context, d issuance.Dispatch) {
	sender, number := c.via()
	out := c.send(ctx, sender, d)
	c.record(d, out)
	if err := c.settle(ctx, d.Notice.ID, out); err != nil {
		// Its lease runs out, and it is sent again: the same message.
		c.Log.Error("settling a notice", "message", string(d.Notice.ID), "order", string(d.Order.ID), "error", err)
	}
	if retried := out.Err != nil && !out.Permanent; !c.tell(d.Notice.ID, out.Uncharged, retried, number) {
		c.again(ctx)
	}
	if out.Err != nil {
		c.Wake() // it is due again before Run would look
	}
}

// send renders d and hands it to the provider.
func (c *Courier) send(ctx context.Context, by Sender, d issuance.Dispatch) issuance.Outcome {
	m, err := c.Texts.Render(d)
	if err != nil {
		return issuance.Outcome{Err: err, Permanent: true}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	id, err := by.Send(ctx, m)
	if err == nil {
		return issuance.Outcome{ProviderID: id}
	}
	refusal, ok := errors.AsType[*SendError](err)
	if !ok {
		refusal = &SendError{Message: m.quote(err.Error())}
	}
	out := issuance.Outcome{Err: refusal, Permanent: refusal.Permanent, Uncharged: refusal.Pause}
	switch {
	case refusal.Pause:
		out.RetryAfter = c.Probe
	case refusal.Unknown:
		out.RetryAfter = rareBackoff(d.Notice.Attempts)
	case !refusal.Permanent:
		out.RetryAfter = backoff(d.Notice.Attempts, refusal.RetryAfter)
	}
	return out
}

// The first wait before a message is sent again, and the longest; a provider may
// ask for more, up to longestAsked.
const (
	firstBackoff   = 5 * time.Second
	longestBackoff = 15 * time.Minute
	longestAsked   = time.Hour
)

// backoff returns how long to wait after the given number of tries: 5, 15, 45
// seconds and so on up to 15 minutes, give or take a fifth so that many do not
// come back together; never less than the provider asked for.
func backoff(attempts int, asked time.Duration) time.Duration {
	wait := firstBackoff
	for range min(attempts, 10) - 1 {
		wait = min(3*wait, longestBackoff)
	}
	jitter := time.Duration(rand.Int64N(int64(wait)*2/5)) - wait/5
	return max(wait+jitter, min(asked, longestAsked))
}

// rareBackoff returns how long to wait with a message that may have arrived: 1,
// 2, 4, 8 hours, then 12 each time. One that a provider never answers to is sent
// nine times in three days, not hundreds of times.
func rareBackoff(attempts int) time.Duration {
	return min(time.Hour<<min(max(attempts, 1)-1, 4), 12*time.Hour)
}

// settle tells the registrar, also while the server stops: an acceptance that is
// forgotten is a message sent twice. A store with a bad moment is asked again.
func (c *Courier) settle(ctx context.Context, id issuance.NoticeID, out issuance.Outcome) error {
	ctx = context.WithoutCancel(ctx)
	for wait := 100 * time.Millisecond; ; wait *= 4 {
		err := c.Registrar.Settle(ctx, id, out)
		if err == nil || wait > 10*time.Second {
			return err
		}
		c.sleep(ctx, wait, nil)
	}
}
