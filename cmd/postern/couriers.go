package main

import (
	"cmp"
	"fmt"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// newCouriers makes one courier for each channel, with the sender that is configured.
func (h *house) newCouriers() error {
	texts, err := delivery.NewTexts(delivery.Brand{
		Name: h.cfg.Brand.Name, SupportEmail: h.cfg.Brand.SupportEmail, SupportPhone: h.cfg.Brand.SupportPhone, URL: h.cfg.Public.URL,
	})
	if err != nil {
		return err
	}
	if h.cfg.Mail.Provider == "outbox" || h.cfg.SMS.Provider == "outbox" {
		h.outbox = new(delivery.Outbox)
	}
	mail, err := h.mailSender()
	if err != nil {
		return err
	}
	sms, err := h.smsSender()
	if err != nil {
		return err
	}
	h.couriers = make(map[issuance.Channel]*delivery.Courier)
	for channel, sender := range map[issuance.Channel]delivery.Sender{issuance.Mail: mail, issuance.SMS: sms} {
		if h.couriers[channel], err = delivery.NewCourier(delivery.CourierConfig{
			Registrar: h.registrar, Channel: channel, Sender: sender, Texts: texts, Now: h.now, Log: h.log,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) mailSender() (delivery.Sender, error) {
	if h.cfg.Mail.Provider == "outbox" {
		return h.outbox, nil
	}
	s := h.cfg.Mail.SMTP
	return delivery.NewSMTP(delivery.SMTPConfig{
		Host: s.Host, Port: s.Port, TLS: delivery.TLSMode(s.TLS), Username: s.Username, Password: s.Password,
		From: h.cfg.Mail.From, ReplyTo: h.cfg.Brand.SupportEmail,
	})
}

func (h *house) smsSender() (delivery.Sender, error) {
	switch s := h.cfg.SMS; s.Provider {
	case "outbox":
		return h.outbox, nil
	case "twilio":
		return delivery.NewTwilio(delivery.TwilioConfig{
			AccountSID: s.Twilio.AccountSID, AuthToken: s.Twilio.AuthToken, From: s.Twilio.From,
			MessagingServiceSID: s.Twilio.MessagingServiceSID, BaseURL: s.Twilio.BaseURL,
		})
	case "webhook":
		return delivery.NewWebhook(delivery.WebhookConfig{
			URL: s.Webhook.URL, Method: s.Webhook.Method, Headers: s.Webhook.Headers, Body: s.Webhook.Body,
		})
	default:
		return nil, fmt.Errorf("there is no SMS provider %q", cmp.Or(s.Provider, "(none)"))
	}
}
