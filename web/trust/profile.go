package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// mobileConfig serves a configuration profile with the root, which iOS and macOS
// install after asking. It is not signed: who installs it compares the
// fingerprint, which the devices show.
func (t *Trust) mobileConfig(w http.ResponseWriter, r *http.Request) {
	f := certificateFile(profile(t.opts.Root.Raw, t.opts.Root.Subject.CommonName), t.opts.Root.NotBefore)
	f.mediaType = profileType
	t.serve(w, r, f)
}

// profile returns an Apple configuration profile with one payload, a root
// certificate. Its identifiers depend on the root alone, so that installing it
// again replaces it.
func profile(root []byte, name string) []byte {
	sum := sha256.Sum256(root)
	inner, outer := uuid(sum[:16]), uuid(sum[16:])
	id := "ca.postern." + strings.ToLower(inner)
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadCertificateFileName</key>
			<string>root.cer</string>
			<key>PayloadContent</key>
			<data>` + base64.StdEncoding.EncodeToString(root) + `</data>
`)
	payload(&b, "\t\t\t", [][2]string{
		{"PayloadDisplayName", name},
		{"PayloadIdentifier", id + ".root"},
		{"PayloadType", "com.apple.security.root"},
		{"PayloadUUID", inner},
	})
	b.WriteString("\t\t</dict>\n\t</array>\n")
	payload(&b, "\t", [][2]string{
		{"PayloadDisplayName", name},
		{"PayloadIdentifier", id},
		{"PayloadType", "Configuration"},
		{"PayloadUUID", outer},
	})
	b.WriteString("</dict>\n</plist>\n")
	return b.Bytes()
}

// payload writes the keys that every payload has.
func payload(b *bytes.Buffer, indent string, pairs [][2]string) {
	for _, p := range pairs {
		fmt.Fprintf(b, "%s<key>%s</key>\n%s<string>", indent, p[0], indent)
		_ = xml.EscapeText(b, []byte(p[1])) // a buffer takes everything
		b.WriteString("</string>\n")
	}
	fmt.Fprintf(b, "%s<key>PayloadVersion</key>\n%s<integer>1</integer>\n", indent, indent)
}

// uuid makes 16 bytes of a digest a UUID of version 8 (RFC 9562, section 5.8).
func uuid(b []byte) string {
	var u [16]byte
	copy(u[:], b)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:]))
}
