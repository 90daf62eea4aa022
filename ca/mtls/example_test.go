package mtls_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/postern-ca/postern/ca/mtls"
)

// A web service that follows the CRLs: a check costs no request, and a revocation
// counts within a second, on connections that are open too.
func Example() {
	house := mtls.OpenHouse() // a Postern, and a client with a certificate of it
	defer house.Close()

	cas, err := mtls.ReadCAs(house.ChainFile) // as downloaded from /pki/chain.pem
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	crls := &mtls.CRLs{CAs: cas, URL: house.BundleURL, MaxSilence: 10 * time.Minute, Now: house.Now}
	go func() { _ = crls.Run(ctx) }()
	if err := crls.Wait(ctx); err != nil { // the first bundle is here
		fmt.Println(err)
		return
	}

	verifier := &mtls.Verifier{CAs: cas, Revocation: crls, OnUnknown: mtls.FailClosed, Now: house.Now}
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := mtls.CallerFrom(r.Context())
		fmt.Fprintf(w, "hello, %s of %s", caller.Service, caller.Organization)
	})
	service := httptest.NewUnstartedServer(verifier.Handler(api))
	service.TLS = verifier.TLSConfig(house.ServerTLS)
	service.StartTLS() // with http.Server: TLSConfig: verifier.TLSConfig(nil), and ListenAndServeTLS
	defer service.Close()

	client := house.Client()
	mtls.Print(client, service.URL)
	house.Revoke()
	mtls.Print(client, service.URL) // on the connection that was open
	// Output:
	// 200 hello, payments-prod of acme
	// 403 {"title":"Forbidden","status":403,"code":"certificate-revoked","detail":"the certificate was revoked: ask for a new one"}
}

// OCSP suits many revoked certificates and few clients: MaxAge bounds the delay of
// a revocation.
func ExampleOCSP() {
	house := mtls.OpenHouse()
	defer house.Close()

	cas, err := mtls.ReadCAs(house.ChainFile)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier := &mtls.Verifier{
		CAs:        cas,
		Revocation: &mtls.OCSP{URL: house.OCSPURL, MaxAge: 30 * time.Second, Now: house.Now}, // without URL: what the certificate names
		Allow:      mtls.Rules{Organizations: []string{"acme"}},
		Now:        house.Now,
	}
	service := httptest.NewUnstartedServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := mtls.CallerFrom(r.Context())
		fmt.Fprint(w, caller.SPIFFEID)
	})))
	service.TLS = verifier.TLSConfig(house.ServerTLS)
	service.StartTLS()
	defer service.Close()
	mtls.Print(house.Client(), service.URL)
	// Output:
	// 200 spiffe://example.com/org/acme/service/payments-prod
}

// Auth asks Postern itself, which knows of every change at once, and of the
// environment that a service runs in.
func ExampleAuth() {
	cas, err := mtls.ReadCAs("/etc/postern/chain.pem")
	if err != nil {
		fmt.Println("the CAs cannot be read")
		return
	}
	verifier := &mtls.Verifier{
		CAs: cas,
		Revocation: &mtls.Auth{
			URL:          "https://certs.internal.example.com:9444/auth",
			Secret:       func() string { secret, _ := os.ReadFile("/run/secrets/postern-auth"); return string(secret) },
			Environments: []string{"production"},
		},
		Log: slog.Default(),
	}
	server := &http.Server{Addr: ":8443", Handler: verifier.Handler(http.DefaultServeMux), TLSConfig: verifier.TLSConfig(nil)}
	fmt.Println(server.ListenAndServeTLS("server.pem", "server.key"))
	// Output:
	// the CAs cannot be read
}

// Rules can also be a handler's own.
func ExampleRules() {
	reports := mtls.Rules{Services: []string{"acme/reports"}}
	fmt.Println(reports.Permit(mtls.Caller{Organization: "acme", Service: "reports"}))
	fmt.Println(reports.Permit(mtls.Caller{Organization: "other", Service: "reports"}))
	// Output:
	// true
	// false
}
