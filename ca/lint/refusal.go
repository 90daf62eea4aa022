package lint

// Kind is what is to be signed.
type Kind string

// The kinds. Each has one profile.
const (
	Client    Kind = "client certificate"
	Server    Kind = "server certificate"
	Responder Kind = "OCSP responder's certificate"
	IssuingCA Kind = "issuing CA's certificate"
	Root      Kind = "root certificate"
	CRL       Kind = "CRL"
	Unknown   Kind = "unknown structure"
)

// Refusal is why something was not signed.
type Refusal struct {
	Kind   Kind
	Lint   string // the rule that was broken: ours begin with profile_, zlint's with their severity, as in e_
	Reason string
}

func (r *Refusal) Error() string {
	return "the " + string(r.Kind) + " was not signed: it does not pass the lint " + r.Lint + ": " + r.Reason
}

// broken returns a refusal that does not know its kind yet.
func broken(lint, reason string) *Refusal { return &Refusal{Lint: "profile_" + lint, Reason: reason} }
