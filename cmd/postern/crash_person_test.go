package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// town is where the people live: so many of them act at the same time.
type town struct {
	*mortal
	places   chan struct{}
	lifetime int // how many calls of fdatasync an order's life has, when it is alone

	counts sync.Mutex
	cut    map[string]int // by what was being done: calls that a kill cut
	helped map[string]int // by what staff or contacts did because of a kill
}

// person is an order: its contact, and the staff who see to it. All of them are
// persistent; none of them knows that the server is killed.
type person struct {
	*town
	number int
	// curl is a contact who claims in one request and keeps no cookies; the
	// others have a browser.
	curl bool
	// patient people wait for a message that does not come; the others ask again.
	patient bool
	// slow people do other things before they open the link.
	slow   bool
	client http.Client

	contact, order, link string
	tried                map[string]bool // codes that were entered
	files                [][]byte        // the last is the one that counts
	last                 string          // what was called for last
}

func newPerson(t *town, number int, curl bool) *person {
	p := &person{town: t, number: number, curl: curl, tried: map[string]bool{}}
	p.client = http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	if !curl {
		p.client.Jar, _ = cookiejar.New(nil) // its error is always nil
	}
	return p
}

func (p *person) email() string  { return fmt.Sprintf("contact%d@acme.example", p.number) }
func (p *person) mobile() string { return fmt.Sprintf("+4179%07d", 1000000+p.number) }

// live goes the whole way, from the registration to the password SMS.
// It calls begun once it acts.
func (p *person) live(ctx context.Context, begun func()) error {
	p.places <- struct{}{}
	begun()
	defer func() { <-p.places }()
	for _, step := range []func(context.Context) error{p.register, p.request, p.approve, p.readMail, p.claim} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("contact %d, order %s, whose last call was %q: %w", p.number, p.order, p.last, err)
		}
	}
	return nil
}

func (p *person) register(ctx context.Context) error {
	body := fmt.Sprintf(`{"organization":"acme","name":"Contact %d","email":%q,"mobile":%q,"may_receive":true}`, p.number, p.email(), p.mobile())
	return p.create(ctx, "register", "/contacts", body, &p.contact)
}

func (p *person) request(ctx context.Context) error {
	return p.create(ctx, "request", "/orders", fmt.Sprintf(`{"service":"acme.payments","contact":%q}`, p.contact), &p.order)
}

// create makes something through the API, once however often it is asked for.
func (p *person) create(ctx context.Context, what, path, body string, id *string) error {
	a, err := p.api(ctx, what, http.MethodPost, path, body)
	if err == nil && a.status != http.StatusCreated {
		err = a.refused(what)
	}
	var made struct{ ID string }
	if err == nil {
		err = json.Unmarshal(a.body, &made)
	}
	*id = made.ID
	return err
}

// approve has no key: done twice, the second is a conflict.
func (p *person) approve(ctx context.Context) error {
	a, err := p.api(ctx, "approve", http.MethodPost, "/orders/"+p.order+"/approve", "")
	if err == nil && a.status != http.StatusOK && a.code() != issuance.CodeState {
		err = a.refused("approve")
	}
	return err
}

func (p *person) readMail(ctx context.Context) error {
	if err := p.await(ctx, p.remind(issuance.InvitationNotice), func(context.Context) (bool, error) {
		p.link = p.mails.linkFor(p.email())
		return p.link != "", nil
	}); err != nil || !p.slow {
		return err
	}
	// A message that was sent, and of which a kill took the memory, is sent again meanwhile.
	return p.await(ctx, p.remind(issuance.CodeNotice), func(ctx context.Context) (bool, error) {
		notices, err := listAll[noticeRecord](ctx, p, "/messages?order="+p.order)
		return !slices.ContainsFunc(notices, func(n noticeRecord) bool {
			return n.State == issuance.Pending && (p.patient || n.Kind == issuance.CodeNotice)
		}), err
	})
}

// remind returns what staff do when a contact calls: they send the message
// again that waits. Patient contacts do not call.
func (p *person) remind(kind issuance.NoticeKind) func(context.Context) error {
	if p.patient {
		return nil
	}
	return func(ctx context.Context) error {
		notices, err := listAll[noticeRecord](ctx, p, "/messages?order="+p.order)
		for _, n := range notices {
			if n.Kind != kind || n.State != issuance.Pending {
				continue
			}
			p.help("message retry")
			a, err := p.api(ctx, "message retry", http.MethodPost, "/messages/"+n.ID+"/retry", "")
			if err != nil {
				return err
			}
			if a.status != http.StatusOK && a.code() != issuance.CodeState {
				return a.refused("message retry")
			}
		}
		return err
	}
}

func (p *person) help(how string) {
	p.counts.Lock()
	defer p.counts.Unlock()
	p.helped[how]++
}

// messages returns the secrets in the text messages that p has got, oldest first.
func (p *person) messages(pattern string) (found []string) {
	secret := regexp.MustCompile(pattern)
	for _, m := range p.phones.Messages() {
		if m.To != p.mobile() {
			continue
		}
		if match := secret.FindStringSubmatch(m.Body); match != nil {
			found = append(found, match[1])
		}
	}
	return found
}

// The secrets in text messages.
const (
	codePattern     = `#(\d{8})$`
	passwordPattern = `(?m)^([0-9a-z]{4}(?:-[0-9a-z]{4}){5})$`
)

// newCode returns the newest code that was not entered yet, "" for none.
func (p *person) newCode() string {
	codes := p.messages(codePattern)
	if len(codes) == 0 || p.tried[codes[len(codes)-1]] {
		return ""
	}
	return codes[len(codes)-1]
}

// awaitCode waits for a code that was not entered yet. ask asks for one, and
// reports whether one will come.
func (p *person) awaitCode(ctx context.Context, ask func(context.Context) (bool, error)) (code string, err error) {
	for asked := len(p.tried) == 0 || p.newCode() != ""; !asked; {
		if asked, err = ask(ctx); err == nil && !asked {
			err = p.awaitReopening(ctx)
		}
		if err != nil {
			return "", err
		}
	}
	var nudge func(context.Context) error
	if !p.patient {
		nudge = func(ctx context.Context) error {
			_, err := ask(ctx)
			return err
		}
	}
	err = p.await(ctx, nudge, func(context.Context) (bool, error) {
		code = p.newCode()
		return code != "", nil
	})
	p.tried[code] = true
	return code, err
}

const (
	moment   = time.Second            // what takes longer gives its place to others
	glance   = 20 * time.Millisecond  // between two looks in a moment,
	leisure  = 500 * time.Millisecond // and after it
	patience = 5 * time.Second        // between two nudges
)

// await waits until f holds, and nudges, if nudge is not nil, when it does not
// for long. While it waits for more than a moment, somebody else may act.
func (p *person) await(ctx context.Context, nudge func(context.Context) error, f func(context.Context) (bool, error)) error {
	start, pause, nudgeAt := time.Now(), glance, 2*moment
	for {
		done, err := f(ctx)
		if err == nil && !done && nudge != nil && time.Since(start) > nudgeAt {
			nudgeAt += patience
			err = nudge(ctx)
		}
		if done || err != nil {
			if pause == leisure {
				p.places <- struct{}{}
			}
			return err
		}
		if pause == glance && time.Since(start) > moment {
			pause = leisure
			<-p.places
		}
		select {
		case <-ctx.Done():
			if pause == leisure {
				p.places <- struct{}{}
			}
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// answer is what came back of a call.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// code returns the code of a problem document.
func (a answer) code() issuance.Code {
	var problem struct{ Code issuance.Code }
	_ = json.Unmarshal(a.body, &problem) // what is none has no code
	return problem.Code
}

func (a answer) refused(what string) error {
	return fmt.Errorf("%s: answered with %d: %.300s", what, a.status, a.body)
}

// api calls the admin API. What makes something has a key that makes it once.
func (p *person) api(ctx context.Context, what, method, path, body string) (answer, error) {
	header := http.Header{"Authorization": {"Bearer " + p.token}}
	if body != "" {
		header.Set("Content-Type", "application/json")
		header.Set("Idempotency-Key", fmt.Sprintf("%s-%d", what, p.number))
	}
	return p.call(ctx, what, call{method, p.admin + "/api/v1" + path, body, header})
}

// post sends a form of the contact's site.
func (p *person) post(ctx context.Context, what, address string, form url.Values) (answer, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/problem+json, */*"}}
	return p.call(ctx, what, call{http.MethodPost, address, form.Encode(), header})
}

type call struct {
	method, address, body string
	header                http.Header
}

// call makes a call until it is answered: one that was cut is made again, the same.
func (p *person) call(ctx context.Context, what string, c call) (answer, error) {
	for p.last = what; ; {
		a, err := p.try(ctx, c)
		if err == nil || ctx.Err() != nil {
			return a, err
		}
		if !errors.Is(err, syscall.ECONNREFUSED) { // nobody was there
			p.counts.Lock()
			p.cut[what]++
			p.counts.Unlock()
		}
		time.Sleep(glance)
	}
}

func (p *person) try(ctx context.Context, c call) (a answer, err error) {
	r, err := http.NewRequestWithContext(ctx, c.method, c.address, strings.NewReader(c.body))
	if err != nil {
		return a, err
	}
	maps.Copy(r.Header, c.header)
	got, err := p.client.Do(r)
	if err != nil {
		return a, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return answer{got.StatusCode, got.Header, bytes.Clone(body)}, err
}
