package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/postern-ca/postern/issuance"
)

// claim takes p from the link to the completed order.
func (p *person) claim(ctx context.Context) error {
	if p.curl {
		return p.claimByCurl(ctx)
	}
	return p.claimByBrowser(ctx)
}

// claimByBrowser does what the page says, until there is nothing more to do.
func (p *person) claimByBrowser(ctx context.Context) error {
	if _, err := p.call(ctx, "open the link", call{method: http.MethodGet, address: p.link}); err != nil {
		return err
	}
	for {
		page, err := p.page(ctx)
		if err != nil {
			return err
		}
		switch {
		case page.Stage == issuance.EnterStage:
			err = p.enterCode(ctx)
		case page.Stage == issuance.ChooseStage, page.Stage == issuance.DownloadStage:
			err = p.download(ctx)
		case page.Stage == issuance.PasswordStage:
			err = p.await(ctx, p.remind(issuance.PasswordNotice), func(ctx context.Context) (bool, error) {
				page, err := p.page(ctx)
				return page.Stage != issuance.PasswordStage, err
			})
		case page.Stage == issuance.DoneStage:
			return nil
		case page.Error == issuance.CodeClaimed:
			err = p.awaitReopening(ctx)
		case page.Error == issuance.CodeLocked:
			err = p.unlock(ctx)
		default:
			err = fmt.Errorf("the page says %+v", page)
		}
		if err != nil {
			return err
		}
	}
}

// pageStatus is what the page's script learns.
type pageStatus struct {
	Stage issuance.Stage
	Error issuance.Code
}

func (p *person) page(ctx context.Context) (s pageStatus, err error) {
	a, err := p.call(ctx, "look at the page", call{method: http.MethodGet, address: p.public + "/claim/status"})
	if err == nil {
		err = json.Unmarshal(a.body, &s)
	}
	return s, err
}

func (p *person) enterCode(ctx context.Context) error {
	code, err := p.awaitCode(ctx, func(ctx context.Context) (bool, error) {
		p.help("new code")
		_, err := p.post(ctx, "new code", p.public+"/claim/code", nil)
		return true, err
	})
	if err == nil {
		_, err = p.post(ctx, "enter the code", p.public+"/claim/verify", url.Values{"code": {code}})
	}
	return err
}

func (p *person) download(ctx context.Context) error {
	a, err := p.post(ctx, "download", p.public+"/claim/download", url.Values{"target": {string(issuance.OpenSSLTarget)}})
	if err == nil && a.header.Get("Content-Type") == "application/x-pkcs12" {
		p.files = append(p.files, a.body)
	}
	return err
}

// awaitReopening waits until the claim window of a certificate is over that a
// kill took from the browser it was made for.
func (p *person) awaitReopening(ctx context.Context) error {
	p.help("wait for the window to end")
	return p.awaitState(ctx, func(s issuance.OrderState) bool { return s != issuance.IssuedState })
}

// awaitState waits, as staff see the order, for a state that holds.
func (p *person) awaitState(ctx context.Context, holds func(issuance.OrderState) bool) error {
	return p.await(ctx, nil, func(ctx context.Context) (bool, error) {
		s, err := p.state(ctx)
		return holds(s), err
	})
}

func (p *person) state(ctx context.Context) (issuance.OrderState, error) {
	o, err := show[orderRecord](ctx, p, "/orders/"+p.order)
	return o.State, err
}

func (p *person) unlock(ctx context.Context) error {
	p.help("unlock")
	a, err := p.api(ctx, "unlock", http.MethodPost, "/orders/"+p.order+"/unlock", "")
	if err == nil && a.status != http.StatusOK && a.code() != issuance.CodeState {
		err = a.refused("unlock")
	}
	return err
}

// claimByCurl claims in one request, and again if the server forgot that the
// file had arrived.
func (p *person) claimByCurl(ctx context.Context) error {
	for {
		if err := p.fetch(ctx); err != nil {
			return err
		}
		state := issuance.IssuedState
		err := p.await(ctx, p.remind(issuance.PasswordNotice), func(ctx context.Context) (_ bool, err error) {
			state, err = p.state(ctx)
			return state == issuance.CompletedState || state == issuance.InvitedState, err
		})
		if err != nil || state == issuance.CompletedState {
			return err
		}
		p.help("claim again after the window")
	}
}

// fetch gets the file with a code.
func (p *person) fetch(ctx context.Context) error {
	ask := func(ctx context.Context) (bool, error) {
		p.help("new code")
		a, err := p.post(ctx, "new code", p.link+"/code", nil)
		if err == nil && a.code() == issuance.CodeLocked {
			return false, p.unlock(ctx)
		}
		return a.status == http.StatusAccepted, err
	}
	for {
		code, err := p.awaitCode(ctx, ask)
		if err != nil {
			return err
		}
		a, err := p.post(ctx, "claim in one request", p.link+"/claim", url.Values{"code": {code}, "target": {string(issuance.OpenSSLTarget)}})
		switch {
		case err != nil:
			return err
		case a.status == http.StatusOK:
			p.files = append(p.files, a.body)
			return nil
		case a.code() == issuance.CodeLocked:
			if err := p.unlock(ctx); err != nil {
				return err
			}
		case a.status >= 500 && a.status != http.StatusServiceUnavailable:
			return a.refused("claim in one request")
		}
	}
}
