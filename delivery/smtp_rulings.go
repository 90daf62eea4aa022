package delivery

import "slices"

// meaning is what an answer of a mail server means for what is to be sent.
type meaning int

// The meanings.
const (
	again    meaning = iota // it is sent again, the same
	rarely                  // it is sent again, hours apart: nobody's fault that we can name
	pauses                  // the account or its settings: every message would meet the same
	hopeless                // the recipient: this message is given up
)

// ruling is a row of the table of answers. An empty column covers everything.
type ruling struct {
	phases   []phase
	codes    []int    // whole ones, or their first digit
	enhanced []string // patterns of path.Match
	says     []string // phrases in lower case that begin with a whole word
	means    meaning
	advice   string
}

// What staff can do.
const (
	mendSignIn = "check mail.smtp.username, mail.smtp.password and mail.smtp.tls"
	mendHello  = "set mail.smtp.hello to a name that this host has in DNS, and check mail.smtp.host"
	mendFrom   = "check mail.from: the account must be allowed to send as that address, and the address must " +
		"be verified at the provider"
	mendHost  = "check mail.smtp.host, mail.smtp.port and mail.smtp.tls"
	mendRelay = "it takes no mail for other domains from here: check mail.smtp.username and " +
		"mail.smtp.password, or have this host allowed to relay"
	mendQuota = "the account has sent as much as it may; messages go on when it may send again, or have the " +
		"limit raised"
	mendName = "it refuses mail from this host or account whatever the message: ask who runs it what its " +
		"answer means"
	mendTalk  = "it does not understand what it was told: check mail.smtp.host, mail.smtp.hello and mail.from"
	mendTo    = "correct the contact's e-mail address"
	mendGroup = "only chosen senders may write to this address: correct it, or have its owner allow mail.from"
	mendSize  = "it takes smaller mails alone; it is sent again once an hour, the same"
	mendText  = "nothing says that the recipient is the reason; it is sent again once an hour, the same"
)

// rulings returns the table, the special before the general. A message is
// hopeless only for what concerns its recipient. What concerns who we are, where
// we write from and how much we send is the channel's; a server may well say so
// only when it hears of the recipient, as Postfix does (smtpd_delay_reject), or
// after the text, as Exchange and SES do.
func rulings() []ruling {
	return slices.Concat(signInRulings(), channelRulings(), recipientRulings(), generalRulings())
}

// signInRulings are about the connection and the account.
func signInRulings() []ruling {
	return []ruling{
		{codes: []int{421}, means: again},
		// Exchange Online, of groups and mailboxes that take mail of some senders alone.
		{
			phases: fromRecipient(), codes: []int{5},
			enhanced: []string{"5.7.12?", "5.7.13?"},
			means:    hopeless, advice: mendGroup,
		},
		{phases: []phase{authenticating}, codes: []int{4}, means: again},
		// Exchange Online: "SmtpClientAuthentication is disabled for the Tenant" (or "the Mailbox").
		{
			phases:   []phase{authenticating},
			enhanced: []string{"5.7.139"},
			means:    pauses,
			advice: "allow authenticated SMTP for this mailbox in the Exchange admin center, or set " +
				"mail.smtp.auth to xoauth2; and check mail.smtp.password",
		},
		// Gmail: "Application-specific password required".
		{
			codes: []int{534},
			means: pauses,
			advice: "the account wants to be signed in another way: make an application password for it, or set " +
				"mail.smtp.auth to xoauth2; and check mail.smtp.username, mail.smtp.password",
		},
		{phases: []phase{authenticating}, means: pauses, advice: mendSignIn},
		{codes: []int{530, 535, 538}, means: pauses, advice: mendSignIn},
		{enhanced: []string{"5.7.57"}, means: pauses, advice: mendSignIn},
		{
			codes: []int{5},
			says: []string{
				"authentication required", "authentication is required", "not authenticated",
				"must authenticate",
			},
			means: pauses, advice: mendSignIn,
		},
		{phases: []phase{connecting, greeted, securing}, codes: []int{5}, means: pauses, advice: mendHost},
		{phases: []phase{introducing}, codes: []int{5}, means: pauses, advice: mendHello},
	}
}

// channelRulings are about what every message of the channel meets.
func channelRulings() []ruling {
	return []ruling{
		{says: []string{"helo command rejected", "helo", "ehlo"}, means: pauses, advice: mendHello},
		{
			says: []string{
				"relay access denied", "relaying denied", "relaying not", "relay not permitted",
				"relay denied", "mail relay denied", "unable to relay", "not permitted to relay",
				"not allowed to relay", "we do not relay", "rcpthosts", "invalid credentials for relay",
			},
			means: pauses, advice: mendRelay,
		},
		{enhanced: []string{"5.7.54", "5.7.64"}, means: pauses, advice: mendRelay},
		{enhanced: []string{"5.1.7", "5.1.8", "5.7.60", "5.2.252"}, means: pauses, advice: mendFrom},
		{
			says: []string{
				"sender address rejected", "sender rejected", "sender verify fail", "not owned by user",
				"sendasdenied", "not allowed to send as", "permissions to send as", "not verified",
				"sender not verified", "envelope sender", "from address", "mail from must",
			},
			means: pauses, advice: mendFrom,
		},
		{enhanced: []string{"5.4.5", "5.1.90"}, means: pauses, advice: mendQuota},
		{
			says: []string{
				"daily user sending", "daily sending quota", "daily smtp relay", "daily message quota",
				"submission quota", "sending limit", "sending quota", "message quota exceeded",
			},
			means: pauses, advice: mendQuota,
		},
		{
			says: []string{
				"client host rejected", "client host", "blocked using", "in a black list", "blacklisted",
				"banned sending", "banned sender", "traffic not accepted from this ip", "sending paused",
				"sending suspended", "account is suspended", "not authorized to perform",
			},
			means: pauses, advice: mendName,
		},
		// Gmail: no PTR, no SPF, no DKIM, no DMARC; Exchange Online: account, address, tenant.
		{
			enhanced: []string{
				"5.7.2[5-9]", "5.7.3[0-2]", "5.7.40", "5.7.50[1-9]", "5.7.51[1-9]", "5.7.6[0-4]?",
				"5.7.70[58]", "5.7.750",
			},
			means: pauses, advice: mendName,
		},
	}
}

// recipientRulings are about the recipient, from RCPT on.
func recipientRulings() []ruling {
	named := fromRecipient()
	return []ruling{
		{phases: named, codes: []int{5}, enhanced: []string{"5.1.*", "5.2.*"}, means: hopeless, advice: mendTo},
		{
			phases: named, codes: []int{5},
			says: []string{
				"recipient address rejected", "user unknown", "unknown user", "no such user",
				"no such recipient", "mailbox unavailable", "mailbox not found", "unrouteable address",
				"this user doesn't have",
			},
			means: hopeless, advice: mendTo,
		},
		// A policy that nothing says more of may be about anything.
		{phases: named, codes: []int{5}, enhanced: []string{"5.7.*"}, means: rarely, advice: mendText},
		{
			phases: named, codes: []int{5},
			says:  []string{"administrative prohibition", "policy", "spam"},
			means: rarely, advice: mendText,
		},
		{phases: []phase{addressing}, codes: []int{550, 551, 553}, means: hopeless, advice: mendTo},
	}
}

// fromRecipient returns the phases in which the server knows the recipient.
func fromRecipient() []phase { return []phase{addressing, announcing, writing, ending} }

// generalRulings take what is left.
func generalRulings() []ruling {
	return []ruling{
		{codes: []int{4}, means: again},
		{codes: []int{500, 501, 502, 503, 504, 555}, means: pauses, advice: mendTalk},
		{phases: []phase{mailing}, codes: []int{5}, means: pauses, advice: mendFrom},
		{codes: []int{552}, means: rarely, advice: mendSize},
		{codes: []int{5}, means: rarely, advice: mendText},
		{means: again},
	}
}
