package config

import (
	"net/url"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// SMTP is a mail server that relays mail.
type SMTP struct {
	Host     string          `yaml:"host" example:"smtp.example.com"`
	Port     int             `yaml:"port"`
	TLS      string          `yaml:"tls"`                                    // starttls, implicit or none
	CA       string          `yaml:"ca" config:"path" example:"mail-ca.pem"` // instead of the system's CAs
	Hello    string          `yaml:"hello" example:"certs.example.com"`      // what EHLO says
	Auth     string          `yaml:"auth"`                                   // password or xoauth2
	Username string          `yaml:"username" example:"certificates@example.com"`
	Password issuance.Secret `yaml:"password" example:"smtp.password"`
	OAuth2   OAuth2          `yaml:"oauth2"`
}

// OAuth2 says where access tokens for the mail server come from.
type OAuth2 struct {
	TokenURL     string          `yaml:"token_url" example:"https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"`
	ClientID     string          `yaml:"client_id" example:"00000000-0000-0000-0000-000000000000"`
	ClientSecret issuance.Secret `yaml:"client_secret" example:"smtp.client-secret"`
	RefreshToken issuance.Secret `yaml:"refresh_token" example:"smtp.refresh-token"`
	Scopes       []string        `yaml:"scopes" example:"[https://outlook.office365.com/.default]"`
}

// complete fills in the name for EHLO: the host that contacts know, if it is a
// full name. Without one the connection's own address is given.
func (m *Mail) complete(public string) {
	if u, err := url.Parse(public); m.SMTP.Hello == "" && err == nil && delivery.IsHelloName(u.Hostname()) {
		m.SMTP.Hello = u.Hostname()
	}
}

// Secret returns the secret at key, for example mail.smtp.password, read again from its
// file if it came from one.
func (c *Config) Secret(key string) (issuance.Secret, error) {
	if path := c.secretFiles[key]; path != "" {
		text, err := readSecret(path)
		return issuance.NewSecret([]byte(text)), err
	}
	for _, l := range c.leaves() {
		if s, ok := l.value.Interface().(issuance.Secret); ok && l.key == key {
			return s, nil
		}
	}
	return issuance.Secret{}, nil
}
