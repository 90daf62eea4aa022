package delivery

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"github.com/postern-ca/postern/issuance"
)

//go:embed texts
var textFiles embed.FS

// Brand is the sender of the messages.
type Brand struct {
	Name         string // of the organisation whose services require the certificates
	SupportEmail string // whom to ask; "" if nobody
	SupportPhone string // whom to call, as people write the number; "" if nobody
	// URL is the address of the contacts' site. It comes from the configuration,
	// never from a request: every link begins with it, and its host is the origin
	// to which phones bind the code in an SMS.
	URL  string
	Zone *time.Location // the time zone for times; nil for UTC
}

// Texts writes the notices in the languages of [issuance.Languages].
type Texts struct {
	brand  Brand
	host   string
	bundle *i18n.Bundle
	text   *template.Template
	html   *htmltemplate.Template
}

// NewTexts returns an error of kind [issuance.Invalid] if a field of the brand
// cannot be used in a message.
func NewTexts(b Brand) (*Texts, error) {
	b.Name = oneLine(b.Name, 100)
	if b.Name == "" {
		return nil, issuance.Invalidf("brand.name", "is empty", "use the name by which contacts know you")
	}
	u, err := url.Parse(b.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.RawQuery != "" ||
		u.Fragment != "" || u.User != nil {
		return nil, issuance.Invalidf("public.url", "is not an http or https URL",
			"use the address at which contacts reach this server, for example https://certs.example.com")
	}
	b.URL = strings.TrimSuffix(u.String(), "/")
	if b.Zone == nil {
		b.Zone = time.UTC
	}
	t := &Texts{brand: b, host: u.Hostname(), bundle: i18n.NewBundle(language.English)}
	t.bundle.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	for _, l := range issuance.Languages() {
		if _, err := t.bundle.LoadMessageFileFS(textFiles, "texts/"+l+".yaml"); err != nil {
			return nil, fmt.Errorf("reading the texts in %s: %w", l, err)
		}
	}
	functions := template.FuncMap{"wrap": wrap, "number": func(i int) int { return i + 1 }}
	if t.text, err = template.New("mail.txt").Funcs(functions).ParseFS(textFiles, "texts/mail.txt", "texts/report.txt"); err != nil {
		return nil, err
	}
	t.html, err = htmltemplate.ParseFS(textFiles, "texts/head.html", "texts/mail.html", "texts/report.html")
	return t, err
}

// Render writes d's notice. The result is the same each time, as long as the data
// in d is the same.
func (t *Texts) Render(d issuance.Dispatch) (Message, error) {
	m := Message{
		ID: d.Notice.ID, Kind: d.Notice.Kind, Channel: d.Notice.Channel, Language: t.language(d.Notice.Language),
		To: d.Notice.To, Secret: d.Secret, Date: d.Notice.CreatedAt,
	}
	w := t.writer(m.Language, d)
	var err error
	switch d.Notice.Kind {
	case issuance.CodeNotice:
		m.Lifetime = d.CodeLifetime
		err = w.sms(&m, w.code)
	case issuance.PasswordNotice:
		err = w.sms(&m, w.password)
	case issuance.InvitationNotice:
		err = w.mail(&m, w.invitation(d))
	case issuance.RevokedNotice, issuance.HeldNotice, issuance.ReleasedNotice:
		err = w.mail(&m, w.status(d))
	case issuance.RenewedNotice:
		err = w.mail(&m, w.renewed(d))
	case issuance.ChangeMailNotice:
		err = w.mail(&m, w.change(d))
	case issuance.ChangeSMSNotice:
		err = w.sms(&m, func(string) string { return w.changeSMS(d) })
	case issuance.AlertNotice:
		err = w.mail(&m, w.alert(d))
	case issuance.AlertSMSNotice:
		err = w.alertSMS(&m, d)
	case issuance.ReportNotice:
		err = w.document(&m, d.Document)
	default:
		err = fmt.Errorf("there is no text for a notice of kind %q", d.Notice.Kind)
	}
	if err != nil {
		return Message{}, fmt.Errorf("writing the text of message %s: %w", d.Notice.ID, err)
	}
	return m, nil
}

// language returns l if there are texts in it, the default otherwise.
func (t *Texts) language(l string) string {
	for _, known := range issuance.Languages() {
		if l == known {
			return l
		}
	}
	return issuance.Languages()[0]
}

// facts is what the catalogues may speak of. All of it is one line of harmless text, or a number.
type facts struct {
	Brand, Support, Phone       string
	Name, Organization, Service string
	Mobile                      string // masked
	Was, Wanted, Link           string // of a change, masked, and what stops it
	Serial, SerialEnd           string
	Order                       string
	Expires, When, Lifetime     string
	Reason                      string
	More                        int // certificates that are not listed
	Code, Password              string
}

// nameLimit is how many characters of a name stand in a message.
const nameLimit = 100

func (t *Texts) facts(d issuance.Dispatch) facts {
	f := facts{
		Brand: t.brand.Name, Support: t.brand.SupportEmail, Phone: oneLine(t.brand.SupportPhone, nameLimit),
		Name: oneLine(d.Contact.Name, nameLimit), Organization: oneLine(d.Organization.Name, nameLimit),
		Service: oneLine(d.Service.Name, nameLimit),
		Mobile:  d.Contact.MaskedMobile(), Serial: string(d.Notice.Serial), Order: string(d.Notice.Order),
		Lifetime: lifetime(d.CodeLifetime),
	}
	f.SerialEnd = f.Serial[max(0, len(f.Serial)-8):]
	return f
}

// lifetime writes d in the units that all languages share.
func lifetime(d time.Duration) string {
	if d >= 2*time.Hour && d%time.Hour == 0 {
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

// writer writes one message in one language. Its first error stays.
type writer struct {
	*Texts
	localizer  *i18n.Localizer
	facts      facts
	identifier string // of the service, "-" if there is none
	err        error
}

func (t *Texts) writer(language string, d issuance.Dispatch) *writer {
	return &writer{
		Texts: t, localizer: i18n.NewLocalizer(t.bundle, language), facts: t.facts(d),
		identifier: cmp.Or(d.Service.ID.Identifier(), "-"),
	}
}

// say returns the text with the given key.
func (w *writer) say(key string) string {
	s, err := w.localizer.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: w.facts})
	if err != nil && w.err == nil {
		w.err = err
	}
	return s
}

// at writes a moment as people of the language do.
func (w *writer) at(moment time.Time) string {
	return moment.In(w.brand.Zone).Format(w.say("time.layout"))
}

// mail fills m with the text and the HTML of a letter.
func (w *writer) mail(m *Message, l letter) error {
	if w.err != nil {
		return w.err
	}
	var text, html bytes.Buffer
	if err := w.text.ExecuteTemplate(&text, "mail.txt", l); err != nil {
		return err
	}
	if err := w.html.ExecuteTemplate(&html, "mail.html", l); err != nil {
		return err
	}
	m.Subject = oneLine(l.Subject, 150)
	m.Text, m.HTML = issuance.NewSecret(text.Bytes()), issuance.NewSecret(html.Bytes())
	return nil
}
