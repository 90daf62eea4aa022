package crlsync

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/postern-ca/postern/ca/crlfile"
	"github.com/postern-ca/postern/issuance"
)

// Defaults of the options, and of the flags that set them.
const (
	DefaultWarnBefore     = 6 * time.Hour // a quarter of a CRL's life
	DefaultInterval       = 2 * time.Second
	DefaultWait           = crlfile.LongestWait
	DefaultTimeout        = 30 * time.Second
	DefaultCommandTimeout = 30 * time.Second
	DefaultMinReload      = time.Second
	DefaultMaxSize        = 128 << 20 // over two million revocations
)

// Options say which bundle is followed, and what is done with it. URL, CA, Out, Client,
// Now and Log are needed. For durations and sizes that cannot be 0, 0 means the default.
type Options struct {
	URL      string // of the bundle
	ChainURL string // of the issuing CAs' certificates; "": chain.pem beside URL
	CA       string // PEM file with the root; if issuing CAs are in it too, none are fetched
	Out      string // the file that is kept

	Reload         string        // shell command that is run after a change; "": none
	Check          string        // shell command that must succeed before Reload; "": none
	CommandTimeout time.Duration // of each of the two
	MinReload      time.Duration // from one reload to the next; 0: none

	WarnBefore time.Duration // how long before the file lapses to warn; 0: when it has
	Interval   time.Duration // between two questions to a server that does not wait
	Wait       time.Duration // how long the server is asked to wait for a change, at most
	Timeout    time.Duration // for an answer, beyond Wait
	MaxSize    int64         // of the file, in bytes

	Alert   issuance.Secret // URL that changes of state are posted to; empty: none
	Client  *http.Client    // must have no timeout of its own that is shorter than Wait
	Environ []string        // of the commands
	Notify  func(state string)
	Metrics *Metrics // may be nil
	Now     func() time.Time
	Log     *slog.Logger
}

// check refuses what cannot work, and sets the defaults.
func (o *Options) check() error {
	for _, needed := range []struct {
		field, value string
	}{{"url", o.URL}, {"ca", o.CA}, {"out", o.Out}} {
		if needed.value == "" {
			return issuance.Invalidf(needed.field, "is missing", "it is required")
		}
	}
	if o.ChainURL == "" {
		if u, err := url.Parse(o.URL); err == nil {
			o.ChainURL = u.ResolveReference(&url.URL{Path: "chain.pem"}).String()
		}
	}
	for _, a := range []struct{ field, address string }{
		{"url", o.URL}, {"chain_url", o.ChainURL}, {"alert", string(o.Alert.Reveal())},
	} {
		if a.field == "alert" && o.Alert.Empty() {
			continue
		}
		u, err := url.Parse(a.address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || a.field != "alert" && u.User != nil {
			return issuance.Invalidf(a.field, "is not an address",
				"write it like http://pki.example.com/pki/crl-bundle.pem, without a password")
		}
	}
	for _, d := range []struct {
		field string
		value *time.Duration
		usual time.Duration
	}{
		{"warn_before", &o.WarnBefore, 0},
		{"interval", &o.Interval, DefaultInterval},
		{"wait", &o.Wait, DefaultWait},
		{"timeout", &o.Timeout, DefaultTimeout},
		{"command_timeout", &o.CommandTimeout, DefaultCommandTimeout},
		{"min_reload_interval", &o.MinReload, 0},
	} {
		if *d.value < 0 {
			return issuance.Invalidf(d.field, "is negative", "write it like 30s or 6h")
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if o.MaxSize < 0 {
		return issuance.Invalidf("max_size", "is negative", "it is in bytes")
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	return nil
}
