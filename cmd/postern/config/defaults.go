package config

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Defaults returns the configuration of an empty file.
func Defaults() *Config {
	p := issuance.DefaultPolicy()
	return &Config{
		Data:    "postern-data",
		Public:  Public{Listen: ":8443", PostsPerMinute: 30, PostsBurst: 20, HSTS: 365 * 24 * time.Hour},
		Plain:   Plain{Listen: ":8080"},
		Admin:   Front{Listen: "127.0.0.1:9443"},
		MTLS:    MTLS{Listen: ":8444"},
		Auth:    Auth{Listen: "127.0.0.1:9444"},
		Storage: Storage{Driver: "bolt"},
		CA:      CA{Validity: p.Validity, CRLLifetime: 24 * time.Hour, CRLReasons: true, OCSPLifetime: 5 * time.Minute},
		Mail:    Mail{Provider: "smtp", SMTP: SMTP{Port: 587, TLS: "starttls", Auth: "password"}},
		SMS:     SMS{Provider: "twilio", Twilio: Twilio{BaseURL: "https://api.twilio.com"}, Webhook: Webhook{Method: "POST"}},
		Rules: Rules{
			CodeLifetime: p.CodeLifetime, CodeAttempts: p.CodeAttempts, OrderAttempts: p.OrderAttempts,
			CodeCooldown: p.CodeCooldown, CodesPerDay: p.CodesPerDay, LinkLifetime: p.LinkLifetime, ClaimWindow: p.ClaimWindow,
			Reenroll: p.Reenroll, ApprovalLifetime: p.ApprovalLifetime,
		},
		Reports: Reports{TimeZone: "UTC", DailyAt: "07:00", MonthlyAt: "1 07:00"},
		Clock:   Clock{MaxDowntime: 24 * time.Hour},
		Backup:  Backup{At: "02:30", Keep: 14},
		Audit:   Audit{CheckpointEvery: 24 * time.Hour, CheckpointRecords: 1000},
		Brand:   Brand{Name: "Postern"},
		Log:     Log{Level: "info", Format: "text"},
	}
}

// complete fills in what follows from other keys. A trailing slash is removed from the
// addresses of sites, because paths are appended to them.
func (c *Config) complete() {
	for _, site := range []*string{&c.Public.URL, &c.Plain.URL, &c.Admin.URL, &c.MTLS.URL} {
		*site = strings.TrimRight(*site, "/")
	}
	if c.Seal.KeyFile == "" {
		c.Seal.KeyFile = filepath.Join(c.Data, "seal.key")
	}
	if c.Storage.MarkFile == "" {
		c.Storage.MarkFile = filepath.Join(c.Data, "postern.mark")
	}
	if c.CA.Organization == "" {
		c.CA.Organization = c.Brand.Name
	}
	if c.Admin.URL == "" {
		c.Admin.URL = urlOf("127.0.0.1", c.Admin.Listen)
	}
	if u, err := url.Parse(c.Public.URL); c.MTLS.URL == "" && err == nil && u.Hostname() != "" {
		c.MTLS.URL = urlOf(u.Hostname(), c.MTLS.Listen)
	}
	c.Rules.PhoneRegion = strings.ToUpper(c.Rules.PhoneRegion)
	for i, country := range c.SMS.Countries {
		c.SMS.Countries[i] = strings.ToUpper(country)
	}
	c.Auth.complete()
	c.Mail.complete(c.Public.URL)
}

// urlOf returns the https address of a listener; host stands in for one that
// listens on every address.
func urlOf(host, listen string) string {
	on, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(on); on != "" && (ip == nil || !ip.IsUnspecified()) {
		host = on
	}
	return "https://" + net.JoinHostPort(host, port)
}
