package contact

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/web/server"
)

// download makes the file of the browser's claim, or fetches it again, and sends it. A
// wrong choice is explained on the same page, with what was entered.
func (s *site) download(w http.ResponseWriter, r *http.Request) {
	j, p, ok := s.posted(w, r)
	if !ok {
		return
	}
	if r.PostForm.Get("arrived") != "" {
		s.goOn(w, r, j.with(p), "", s.confirm(r, p))
		return
	}
	q, err := choice(r)
	switch issuance.CodeOf(err) {
	case "":
	case codeEmptyCSR, codePrivateKey:
		s.showChoice(w, r, p, q, err)
		return
	default:
		s.fail(w, r, err, s.path("/claim"))
		return
	}
	f, err := s.Registrar.Claim(r.Context(), p.link, p.session, q)
	switch issuance.CodeOf(err) {
	case issuance.CodeCSR, issuance.CodeInvalid:
		s.showChoice(w, r, p, q, err)
		return
	}
	if err != nil {
		s.goOn(w, r, j.with(p), "", err)
		return
	}
	s.deliver(w, r, p, f)
}

// confirm accepts the contact's word that the file has arrived: some networks reset the
// connection after every download, and then it never seems to arrive.
func (s *site) confirm(r *http.Request, p pass) error {
	v, err := s.Registrar.Look(r.Context(), p.link, p.session)
	if err != nil || v.Stage != issuance.DownloadStage {
		return err
	}
	return s.Registrar.Download(r.Context(), p.link, p.session)
}

// deliver sends f and, once it has arrived, records the download: only then is
// the password texted.
func (s *site) deliver(w http.ResponseWriter, r *http.Request, p pass, f issuance.File) {
	body, mediaType, extension := f.PKCS12, "application/x-pkcs12", ".p12"
	if f.PKCS12 == nil {
		format, err := parseChainFormat(r.PostForm.Get("format"))
		if err == nil {
			mediaType, extension = format.mediaType, format.extension
			body, err = format.write(f.Chain)
		}
		if err != nil {
			s.fail(w, r, err, s.path("/claim"))
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Disposition", `attachment; filename="`+f.Certificate.Service.Identifier()+extension+`"`)
	arrived := sendWatched
	if f.PKCS12 == nil || s.proxied(r) {
		arrived = send // nothing waits for a chain to arrive; and a proxy's connection tells nothing of the contact's
	}
	if !arrived(w, r, body) {
		s.Log.InfoContext(r.Context(), "a download was cut", "order", f.Certificate.Order, "serial", f.Certificate.Serial)
		return
	}
	if f.PKCS12 == nil {
		return
	}
	// The contact may have closed the connection; that is how we know.
	ctx := context.WithoutCancel(r.Context())
	server.After(w, func() {
		if err := s.Registrar.Download(ctx, p.link, p.session); err != nil {
			s.Log.ErrorContext(ctx, "recording a download", "order", f.Certificate.Order, "serial", f.Certificate.Serial, "error", err)
		}
	})
}

// proxied reports whether r came through a proxy that ended its client's TLS, or
// is trusted. Some proxies reset a connection when they have all of an answer
// (HAProxy does), as a client does that was cut off.
func (s *site) proxied(r *http.Request) bool {
	return r.TLS == nil && !s.plain() || s.source.Proxied(r)
}

// sendWatched writes body as a whole answer and reports whether all of it
// arrived. The last byte goes by itself: a peer that stops before it leaves it
// unread.
func sendWatched(w http.ResponseWriter, r *http.Request, body []byte) bool {
	w.Header().Set("Connection", "close") // the peer's closing says that it has all of it
	last := max(0, len(body)-1)
	if !send(w, r, body[:last]) {
		return false
	}
	if r.TLS != nil {
		settle(r.Context(), readGrace)
	}
	return send(w, r, body[last:]) && arrived(r.Context())
}

// send writes part of an answer and reports whether the system accepted it.
func send(w http.ResponseWriter, _ *http.Request, part []byte) bool {
	rc := http.NewResponseController(w)
	if err := rc.SetWriteDeadline(time.Now().Add(2 * time.Minute)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return false
	}
	if _, err := w.Write(part); err != nil {
		return false
	}
	return rc.Flush() == nil
}

// tooLarge reports whether err says that a body was longer than is read.
func tooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}
