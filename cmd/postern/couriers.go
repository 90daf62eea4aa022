package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// senders hand messages to providers, one for each channel.
type senders map[issuance.Channel]delivery.Sender

// newCouriers makes one courier for each channel, with the sender that is configured.
func (h *house) newCouriers() error {
	texts, err := newTexts(h.cfg)
	if err != nil {
		return err
	}
	if h.cfg.Mail.Provider == "outbox" || h.cfg.SMS.Provider == "outbox" {
		h.outbox = new(delivery.Outbox)
	}
	configured, err := newSenders(h.cfg, h.outbox, h.now)
	if err != nil {
		return err
	}
	h.couriers = make(map[issuance.Channel]*delivery.Courier)
	for channel, sender := range configured {
		if h.couriers[channel], err = delivery.NewCourier(delivery.CourierConfig{
			Registrar: h.registrar, Channel: channel, Sender: sender, Texts: texts, Now: h.now, Log: h.log,
			Timeout: timeoutOf(channel),
		}); err != nil {
			return err
		}
	}
	return nil
}

// newTexts returns what writes messages. Its error names the place of the key at fault.
func newTexts(cfg *config.Config) (*delivery.Texts, error) {
	texts, err := delivery.NewTexts(delivery.Brand{
		Name: cfg.Brand.Name, SupportEmail: cfg.Brand.SupportEmail,
		SupportPhone: cfg.Brand.SupportPhone, URL: cfg.Public.URL,
	})
	return texts, cfg.Locate(err)
}

// newSenders makes the senders that cfg asks for; outbox stands in for a provider
// where it says so. Its error names the place of the key at fault.
func newSenders(cfg *config.Config, outbox *delivery.Outbox, now func() time.Time) (senders, error) {
	mail, err := mailSender(cfg, outbox)
	if err != nil {
		return nil, cfg.Locate(err)
	}
	sms, err := smsSender(cfg, outbox, now)
	if err != nil {
		return nil, cfg.Locate(err)
	}
	return senders{issuance.Mail: mail, issuance.SMS: sms}, nil
}

func mailSender(cfg *config.Config, outbox *delivery.Outbox) (delivery.Sender, error) {
	if cfg.Mail.Provider == "outbox" {
		return outbox, nil
	}
	return newSMTP(cfg)
}

func smsSender(cfg *config.Config, outbox *delivery.Outbox, now func() time.Time) (delivery.Sender, error) {
	switch cfg.SMS.Provider {
	case "outbox":
		return outbox, nil
	case "twilio":
		return twilioSender(cfg.SMS.Twilio, now)
	case "webhook":
		return webhookSender(cfg.SMS.Webhook, now)
	default:
		return nil, fmt.Errorf("there is no SMS provider %q", cmp.Or(cfg.SMS.Provider, "(none)"))
	}
}

func twilioSender(t config.Twilio, now func() time.Time) (delivery.Sender, error) {
	roots, err := config.Roots(t.CA)
	if err != nil {
		return nil, err
	}
	return delivery.NewTwilio(delivery.TwilioConfig{
		AccountSID: t.AccountSID, AuthToken: t.AuthToken, APIKey: t.APIKey, APIKeySecret: t.APIKeySecret,
		From: t.From, MessagingServiceSID: t.MessagingServiceSID, BaseURL: t.BaseURL, Roots: roots, Now: now,
	})
}

func webhookSender(w config.Webhook, now func() time.Time) (delivery.Sender, error) {
	roots, err := config.Roots(w.CA)
	if err != nil {
		return nil, err
	}
	return delivery.NewWebhook(delivery.WebhookConfig{
		URL: w.URL, Method: w.Method, Headers: w.Headers, Body: w.Body, Roots: roots, Now: now,
	})
}
