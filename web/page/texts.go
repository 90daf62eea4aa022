package page

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"github.com/postern-ca/postern/issuance"
)

// texts are the catalogs of every language.
type texts map[string]*i18n.Localizer

// readTexts reads text/<language>.yaml of each source.
func readTexts(sources []fs.FS) (texts, error) {
	bundle := i18n.NewBundle(language.MustParse(issuance.Languages()[0]))
	bundle.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	out := make(texts)
	for _, lang := range issuance.Languages() {
		for _, source := range sources {
			if _, err := bundle.LoadMessageFileFS(source, "text/"+lang+".yaml"); err != nil {
				return nil, fmt.Errorf("reading the texts in %s: %w", lang, err)
			}
		}
		out[lang] = i18n.NewLocalizer(bundle, lang)
	}
	return out, nil
}

// in returns the texts in lang, or in the default language.
func (t texts) in(lang string) text {
	if _, ok := t[lang]; !ok {
		lang = issuance.Languages()[0]
	}
	return text{language: lang, localizer: t[lang]}
}

// text is the catalog of one language.
type text struct {
	language  string
	localizer *i18n.Localizer
}

// Language returns the language's tag, for lang attributes.
func (t text) Language() string { return t.language }

// T returns the text of key. Args are names and values to insert; a value named
// Count chooses the plural. A missing key is an error.
func (t text) T(key string, args ...any) (string, error) {
	c := &i18n.LocalizeConfig{MessageID: key}
	if len(args) > 0 {
		if len(args)%2 != 0 {
			return "", errors.New("an argument of " + key + " has no value")
		}
		data := make(map[string]any, len(args)/2)
		for pair := range slices.Chunk(args, 2) {
			data[fmt.Sprint(pair[0])] = pair[1]
		}
		c.TemplateData, c.PluralCount = data, data["Count"]
	}
	return t.localizer.Localize(c)
}

// Has reports whether there is a text of key.
func (t text) Has(key string) bool {
	_, err := t.localizer.Localize(&i18n.LocalizeConfig{MessageID: key})
	missing := &i18n.MessageNotFoundErr{}
	return !errors.As(err, &missing)
}

// Language returns the language, of those we have, that r asks for (RFC 9110,
// section 12.5.4).
func Language(r *http.Request) string {
	have := issuance.Languages()
	tags := make([]language.Tag, len(have))
	for i, l := range have {
		tags[i] = language.MustParse(l)
	}
	want, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return have[0]
	}
	_, i, _ := language.NewMatcher(tags).Match(want...)
	return have[i]
}
