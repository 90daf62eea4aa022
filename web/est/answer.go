package est

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
)

// answer sends content in base64. The header that says so is superfluous by RFC
// 8951, section 3; older clients look for it.
func answer(w http.ResponseWriter, r *http.Request, mediaType string, content []byte) {
	text := base64.StdEncoding.EncodeToString(content)
	if readsLines(r) {
		text = lines(text)
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Transfer-Encoding", "base64")
	w.Header().Set("Content-Length", strconv.Itoa(len(text))) // some clients read no chunks
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text)) // the client may be gone
}

// readsLines reports whether a client gets base64 in lines. RFC 8951 allows both, but no
// form suits every client: OpenSSL, and programs built on its BIO, read no long line;
// strongSwan's pki reads no line feed. strongSwan sends neither of the headers that HTTP
// clients send; another such client gets lines if it uses a label.
func readsLines(r *http.Request) bool {
	h := r.Header
	return len(h.Values("User-Agent"))+len(h.Values("Accept")) > 0 || mux.Vars(r)["label"] != ""
}

// lineLength is that of PEM (RFC 7468, section 2): no client has a lower limit.
const lineLength = 64

// lines breaks text into lines, each with a line feed: to `base64 -d` a carriage
// return is an error.
func lines(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(len(text), lineLength)
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return b.String()
}
