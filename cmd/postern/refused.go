package main

import (
	"context"
	"net/http"
	"time"

	"github.com/postern-ca/postern/issuance"
	"github.com/postern-ca/postern/issuance/staff"
	"github.com/postern-ca/postern/web/limit"
	"github.com/postern-ca/postern/web/server"
)

// refusedEvery is how late a record counts the refused sign-ins of an hour.
const refusedEvery = time.Minute

// tellRefused records how many sign-ins were refused without a record of their own,
// once their hour is over.
func (h *house) tellRefused(ctx context.Context) error {
	h.staff.TellRefused(ctx, false)
	return nil
}

// keepRefused is tellRefused at the end, when the hour is not over.
func (h *house) keepRefused() {
	ctx, cancel := context.WithTimeout(context.Background(), seenEvery)
	defer cancel()
	h.staff.TellRefused(ctx, true)
}

// refuseCertificate records that a client certificate was refused at enrolment.
func (h *house) refuseCertificate(ctx context.Context, of issuance.Certificate, err error) {
	h.staff.Refuse(ctx, of.Holder(), staff.WrongCertificate, err.Error())
}

// refuseProxy records that somebody asked about clients who may not. Its address is
// the connection's: what it forwards is its client's.
func (h *house) refuseProxy(w http.ResponseWriter, r *http.Request, err error) {
	h.staff.Refuse(server.From(w, r, new(limit.Source)).Context(), issuance.Actor{}, staff.WrongProxy, err.Error())
}
