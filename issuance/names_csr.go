package issuance

import (
	"crypto/x509/pkix"
	"encoding/asn1"
)

// asked is what a PKCS #10 request (RFC 2986) says about names. The rest of it is
// passed over, whatever it is: only its key is used, and that was read elsewhere.
type asked struct {
	subject []byte // DER
	// extensions are those of its extension requests that can be read.
	extensions []pkix.Extension
	change     bool // it has the attribute ChangeSubjectName (RFC 6402, section 2.8)
}

// readAsked reads a request in DER; false: it is none.
func readAsked(der []byte) (a asked, ok bool) {
	var request, info asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &request); err != nil || len(rest) > 0 {
		return a, false
	}
	if _, err := asn1.Unmarshal(request.Bytes, &info); err != nil {
		return a, false
	}
	parts := elements(info.Bytes) // version, subject, key, attributes
	if len(parts) < 3 || len(parts) > 4 {
		return a, false
	}
	a.subject = parts[1].FullBytes
	if len(parts) == 4 {
		for _, attribute := range elements(parts[3].Bytes) {
			a.read(attribute.Bytes)
		}
	}
	return a, true
}

// read reads the contents of an attribute.
func (a *asked) read(attribute []byte) {
	var kind asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(attribute, &kind)
	if err != nil {
		return
	}
	switch {
	case kind.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 7, 36}):
		a.change = true
	case kind.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}), // extensionRequest (RFC 2985, section 5.4.2)
		kind.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 14}): // Microsoft's
		for _, set := range elements(rest) {
			for _, list := range elements(set.Bytes) {
				a.readExtensions(list.Bytes)
			}
		}
	}
}

func (a *asked) readExtensions(list []byte) {
	for _, element := range elements(list) {
		var e pkix.Extension
		if _, err := asn1.Unmarshal(element.FullBytes, &e); err == nil {
			a.extensions = append(a.extensions, e)
		}
	}
}

// elements returns the DER elements in b, up to what is none.
func elements(b []byte) (all []asn1.RawValue) {
	for len(b) > 0 {
		var e asn1.RawValue
		rest, err := asn1.Unmarshal(b, &e)
		if err != nil {
			return all
		}
		all, b = append(all, e), rest
	}
	return all
}
