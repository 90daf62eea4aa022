package config

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"

	"github.com/postern-ca/postern/ca/badkeys"
)

// checkFiles reports files that are named and cannot be used.
func (c *Config) checkFiles(p *problems) {
	k := checker{c, p}
	k.certificate("public.tls", c.Public.TLS.Cert, c.Public.TLS.Key)
	k.certificate("admin.tls", c.Admin.TLS.Cert, c.Admin.TLS.Key)
	k.certificate("mtls.tls", c.MTLS.TLS.Cert, c.MTLS.TLS.Key)
	k.certificate("auth.tls", c.Auth.TLS.Cert, c.Auth.TLS.Key)
	k.roots("mail.smtp.ca", c.Mail.SMTP.CA)
	k.roots("sms.twilio.ca", c.SMS.Twilio.CA)
	k.roots("sms.webhook.ca", c.SMS.Webhook.CA)
	// A key file that is not there is made by `postern init`.
	if _, err := os.Stat(c.Seal.KeyFile); !errors.Is(err, fs.ErrNotExist) {
		k.readable("seal.key_file", c.Seal.KeyFile, 0o077)
	}
	if lists, err := badkeys.Open(c.CA.BlockedKeys); err != nil {
		k.say("ca.blocked_keys", "cannot be used: "+err.Error(), "name a file, or a directory of files, with lists of keys")
	} else {
		lists.Close() //nolint:errcheck // nothing was written
	}
	if c.Brand.Logo != "" {
		k.readable("brand.logo", c.Brand.Logo, 0)
	}
	if info, err := os.Stat(c.Data); err == nil && !info.IsDir() {
		k.say("data", c.Data+" is not a directory", "use a directory, or a path that does not exist yet")
	}
}

// readable reports a file that cannot be read, or that others may read too.
func (k checker) readable(key, path string, others fs.FileMode) bool {
	err := private(path, others)
	if err == nil {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			f.Close() //nolint:errcheck // nothing was written
		} else {
			err = wrong(path+" cannot be read: "+reason(err), "make it readable for the user that runs Postern")
		}
	}
	if err != nil {
		message, hint := told(err)
		k.say(key, message, hint)
	}
	return err == nil
}

// certificate reports a certificate and key that are no pair.
func (k checker) certificate(section, cert, key string) {
	if cert == "" || key == "" {
		return
	}
	readable := k.readable(section+".cert", cert, 0)
	if !k.readable(section+".key", key, 0o007) || !readable {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		k.say(section+".cert", "does not match "+section+".key: "+err.Error(),
			"use the certificate with its chain in PEM, and the matching key, unencrypted")
	}
}
