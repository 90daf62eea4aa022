package issuance

import (
	"strings"
	"time"
)

// Service is a customer's client application, which gets certificates.
type Service struct {
	ID           ServiceID    `json:"id"` // "<organisation>.<identifier>", permanent once there is a certificate
	Organization OrgID        `json:"organization"`
	Name         string       `json:"name"` // what people call it: CN of the certificates
	Environment  Environment  `json:"environment"`
	Key          KeyAlgorithm `json:"key"`    // preferred
	Target       Target       `json:"target"` // preferred
	Disabled     bool         `json:"disabled"`
	CreatedAt    time.Time    `json:"created_at"`
	// Distinct is whether another service of the organisation had the name before: the
	// subjects of its certificates have its id too.
	Distinct bool `json:"distinct,omitempty"`
}

// Environment is where a service runs.
type Environment string

// The environments.
const (
	Production Environment = "production"
	Test       Environment = "test"
)

// check cleans s's fields but for its id, or says which one cannot stand.
func (s *Service) check() (err error) {
	if s.Name, err = CleanServiceName(s.Name); err != nil {
		return err
	}
	switch s.Environment {
	case "":
		s.Environment = Production
	case Production, Test:
	default:
		return Invalidf("environment", "is not production or test", "choose one of the two")
	}
	if s.Key, err = ParseKeyAlgorithm(string(s.Key)); err != nil {
		return err
	}
	s.Target, err = ParseTarget(string(s.Target))
	return err
}

// KeyAlgorithm is an algorithm with its size, in the usual spelling.
type KeyAlgorithm string

// The algorithms of a client's key.
const (
	P256    KeyAlgorithm = "P-256"
	P384    KeyAlgorithm = "P-384"
	RSA2048 KeyAlgorithm = "RSA-2048"
	RSA3072 KeyAlgorithm = "RSA-3072"
	RSA4096 KeyAlgorithm = "RSA-4096"
	// Ed25519 does not open in NSS (Firefox, Chromium on Linux).
	Ed25519 KeyAlgorithm = "Ed25519"
)

// KeyAlgorithms returns all of them, the default first.
func KeyAlgorithms() []KeyAlgorithm {
	return []KeyAlgorithm{P256, P384, RSA2048, RSA3072, RSA4096, Ed25519}
}

// ParseKeyAlgorithm reads s in any case, with or without its hyphen; empty means P-256.
func ParseKeyAlgorithm(s string) (KeyAlgorithm, error) {
	if s == "" {
		return P256, nil
	}
	plain := strings.NewReplacer("-", "", " ", "", "_", "", ":", "")
	for _, k := range KeyAlgorithms() {
		if strings.EqualFold(plain.Replace(s), plain.Replace(string(k))) {
			return k, nil
		}
	}
	return "", Invalidf("key", "there is no key algorithm "+Quoted(s), "choose one of "+list(KeyAlgorithms()))
}

// Target is where a PKCS#12 file will be opened; it decides the file's encryption.
type Target string

// The two kinds of PKCS#12 file, and the places that a contact can choose.
const (
	Modern     Target = "modern"     // AES-256, SHA-256
	Compatible Target = "compatible" // 3DES, SHA-1

	WindowsTarget    Target = "windows"     // Windows Server 2019, Windows 10 1809, IIS, and later
	WindowsOldTarget Target = "windows-old" // Windows Server 2016 and before
	JavaTarget       Target = "java"        // Java 8u301, 11.0.12, 17 and later
	OpenSSLTarget    Target = "openssl"     // nginx, Apache, HAProxy, curl
	DotNetTarget     Target = "dotnet"      // .NET on Linux or a current Windows
	AppleTarget      Target = "apple"       // macOS, iOS
	OtherTarget      Target = "other"
)

// Targets returns all targets, the default first.
func Targets() []Target {
	return []Target{
		Modern, Compatible, WindowsTarget, WindowsOldTarget, JavaTarget, OpenSSLTarget, DotNetTarget, AppleTarget,
		OtherTarget,
	}
}

// Format returns Modern or Compatible: the kind of file that can be opened at t.
func (t Target) Format() Target {
	switch t {
	case Compatible, WindowsOldTarget, AppleTarget, OtherTarget:
		return Compatible
	}
	return Modern
}

// ParseTarget reads s in any case; empty means Modern.
func ParseTarget(s string) (Target, error) {
	if s == "" {
		return Modern, nil
	}
	for _, t := range Targets() {
		if strings.EqualFold(s, string(t)) {
			return t, nil
		}
	}
	return "", Invalidf("target", "there is no target "+Quoted(s), "choose one of "+list(Targets()))
}
