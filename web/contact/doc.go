// Package contact is the site of the people who claim a certificate: they open
// the e-mailed link, enter the one-time code, say where they will install
// the certificate, and download it; scripts do the same in one request.
//
// It makes no decisions: every rule is in the registrar. A GET never changes anything.
// The package logs no address, because the address contains the link's token; a proxy in
// front of it must log the route, not the path.
//
// # Knowing that a file arrived
//
// The password is texted only once the file has arrived, so the server watches
// the TCP connection after the last byte (see ConnContext). That needs HTTP/1.1:
// the public listener must not offer HTTP/2, where a stream has no connection of
// its own that could be watched.
//
// # Scripts
//
//	curl -OJ --fail-with-body -c jar -b jar --data-urlencode code=12345678 https://host/c/TOKEN/claim
//
// makes and fetches the file in one request. The answer sets the cookie
// __Host-postern-session; with the cookies of -c and -b the same command fetches
// the same file again after a cut, until the claim window closes. Without them it
// cannot, because a code works once. Errors are plain text, or a problem document
// (RFC 9457) where Accept asks for JSON. For a CSR (field csr) the field format
// says how the certificate comes: pem, p7b or cer. An empty field csr is an error.
// docs/contacts.md is the page for contacts.
package contact
