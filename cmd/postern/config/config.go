package config

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

// Config is the whole configuration. Begin with [Defaults] or [Load]; a field's
// key is its path of yaml names, as in sms.twilio.auth_token. Fields marked path
// are relative to the file that names them.
type Config struct {
	Data    string  `yaml:"data" config:"path"`
	Public  Public  `yaml:"public"`
	Plain   Plain   `yaml:"plain"`
	Admin   Front   `yaml:"admin"`
	MTLS    MTLS    `yaml:"mtls"`
	Auth    Auth    `yaml:"auth"`
	Storage Storage `yaml:"storage"`
	Seal    Seal    `yaml:"seal"`
	CA      CA      `yaml:"ca"`
	Mail    Mail    `yaml:"mail"`
	SMS     SMS     `yaml:"sms"`
	Rules   Rules   `yaml:"policy"`
	Reports Reports `yaml:"reports"`
	Clock   Clock   `yaml:"clock"`
	Backup  Backup  `yaml:"backup"`
	Audit   Audit   `yaml:"audit"`
	Brand   Brand   `yaml:"brand"`
	Log     Log     `yaml:"log"`

	file    string            // that was read, "" for none
	origins map[string]string // where each key was set: "postern.yaml:12", a variable, a flag
	// secretFiles has the file that each secret was read from, by key.
	secretFiles map[string]string
}

// Plain is the listener for CRLs, OCSP and CA certificates over plain HTTP. Its URL is
// in every certificate.
type Plain struct {
	Listen string `yaml:"listen"`
	URL    string `yaml:"url" example:"http://pki.example.com"`
}

// MTLS is the listener with two-way TLS.
type MTLS struct {
	Listen string  `yaml:"listen"`
	URL    string  `yaml:"url" example:"https://certs.example.com:8444"`
	TLS    MTLSTLS `yaml:"tls"`
}

// MTLSTLS is the server certificate of the two-way TLS listener; without it
// Postern's own CA makes one.
type MTLSTLS struct {
	Cert string `yaml:"cert" config:"path" example:"tls/cert.pem"`
	Key  string `yaml:"key" config:"path" example:"tls/key.pem"`
}

// Storage says where everything is stored.
type Storage struct {
	Driver string `yaml:"driver"` // bolt
	// MarkFile records how far the database has come, so that an older copy is recognised.
	MarkFile string `yaml:"mark_file" config:"path" example:"/var/lib/postern-mark/postern.mark"`
}

// Seal says where the key is that seals secrets in the database.
type Seal struct {
	KeyFile string `yaml:"key_file" config:"path" example:"/etc/postern/seal.key"`
}

// CA says what certificates contain, and how long certificates, CRLs and OCSP answers
// are valid.
type CA struct {
	TrustDomain  string          `yaml:"trust_domain" example:"example.com"`
	Organization string          `yaml:"organization" example:"Example Bank"` // O of the CAs, when they are made
	Validity     issuance.Period `yaml:"validity"`                            // of a client certificate
	Passphrase   issuance.Secret `yaml:"passphrase" example:"ca.passphrase"`  // of the CA's keys
	// BlockedKeys is a file or directory of lists of keys that are not certified.
	BlockedKeys  string        `yaml:"blocked_keys" config:"path" example:"blocked-keys"`
	CRLLifetime  time.Duration `yaml:"crl_lifetime"`
	CRLReasons   bool          `yaml:"crl_reasons"`
	CRLShards    int           `yaml:"crl_shards"` // that new certificates name one of; 0: none
	CRLDelta     bool          `yaml:"crl_delta"`
	OCSPLifetime time.Duration `yaml:"ocsp_lifetime"`
	OCSPPresign  bool          `yaml:"ocsp_presign"` // answers are signed before anybody asks
	OCSPNonce    bool          `yaml:"ocsp_nonce"`   // of a request is repeated in its answer
}

// Mail says how mail is sent.
type Mail struct {
	Provider string `yaml:"provider"` // smtp or outbox
	From     string `yaml:"from" example:"Postern <certificates@example.com>"`
	SMTP     SMTP   `yaml:"smtp"`
}

// SMS says how text messages are sent, and to which countries.
type SMS struct {
	Provider  string   `yaml:"provider"`                         // twilio, webhook or outbox
	Countries []string `yaml:"countries" example:"[CH, DE, FR]"` // ISO 3166-1 alpha-2; empty for all
	Twilio    Twilio   `yaml:"twilio"`
	Webhook   Webhook  `yaml:"webhook"`
}

// Twilio is an account at Twilio.
type Twilio struct {
	AccountSID string          `yaml:"account_sid" example:"AC0123456789abcdef0123456789abcdef"`
	AuthToken  issuance.Secret `yaml:"auth_token" example:"twilio.token"`
	// APIKey is used instead of the account's token: SK and 32 hexadecimal digits.
	APIKey              string          `yaml:"api_key" example:"SK0123456789abcdef0123456789abcdef"`
	APIKeySecret        issuance.Secret `yaml:"api_key_secret" example:"twilio.secret"`
	From                string          `yaml:"from" example:"\"+41791234567\""`
	MessagingServiceSID string          `yaml:"messaging_service_sid" example:"MG0123456789abcdef0123456789abcdef"`
	BaseURL             string          `yaml:"base_url"`
	CA                  string          `yaml:"ca" config:"path" example:"gateway-ca.pem"` // PEM; empty for those of the system
}

// Webhook is any other gateway that takes a text message by HTTP.
type Webhook struct {
	URL     string                     `yaml:"url" example:"https://sms.example.com/send"`
	Method  string                     `yaml:"method"`
	Headers map[string]issuance.Secret `yaml:"headers" example:"sms.headers"`
	Body    string                     `yaml:"body" example:"'{\"to\": \"{{to}}\", \"text\": \"{{text}}\"}'"`
	CA      string                     `yaml:"ca" config:"path" example:"gateway-ca.pem"` // PEM; empty for those of the system
}

// Rules is the operator's part of [issuance.Policy].
type Rules struct {
	Strict        bool          `yaml:"strict"`
	CodeLifetime  time.Duration `yaml:"code_lifetime"`
	CodeOnRequest bool          `yaml:"code_on_request"`
	CodeAttempts  int           `yaml:"code_attempts"`
	OrderAttempts int           `yaml:"order_attempts"`
	CodeCooldown  time.Duration `yaml:"code_cooldown"`
	CodesPerDay   int           `yaml:"codes_per_day"`
	LinkLifetime  time.Duration `yaml:"link_lifetime"`

	ApprovalLifetime time.Duration `yaml:"approval_lifetime"`

	ClaimWindow time.Duration `yaml:"claim_window"`
	FourEyes    bool          `yaml:"four_eyes"`
	CoolingOff  time.Duration `yaml:"cooling_off"`
	Reenroll    time.Duration `yaml:"reenroll"`
	PhoneRegion string        `yaml:"phone_region" example:"CH"` // ISO 3166-1 alpha-2, of numbers without country code
}

// Brand is the name and look of pages and messages.
type Brand struct {
	Name         string `yaml:"name"`
	Logo         string `yaml:"logo" config:"path" example:"logo.svg"` // SVG or PNG
	Colour       string `yaml:"colour" example:"\"#0f5c8c\""`          // #rrggbb
	SupportEmail string `yaml:"support_email" example:"support@example.com"`
	SupportPhone string `yaml:"support_phone" example:"\"+1 202 555 0142\""`
}

// Log says what is logged, and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

// File returns the file that was read, "" if there was none.
func (c *Config) File() string { return c.file }

// Policy returns the registrar's policy.
func (c *Config) Policy() issuance.Policy {
	p, r := issuance.DefaultPolicy(), c.Rules
	p.Validity = c.CA.Validity
	p.CodeLifetime, p.CodeOnRequest, p.CodeAttempts = r.CodeLifetime, r.CodeOnRequest, r.CodeAttempts
	p.OrderAttempts, p.CodeCooldown, p.CodesPerDay = r.OrderAttempts, r.CodeCooldown, r.CodesPerDay
	p.LinkLifetime, p.ClaimWindow, p.FourEyes, p.CoolingOff = r.LinkLifetime, r.ClaimWindow, r.FourEyes, r.CoolingOff
	p.Reenroll, p.ApprovalLifetime = r.Reenroll, r.ApprovalLifetime
	if r.Strict {
		p = p.Strict()
	}
	return p
}
