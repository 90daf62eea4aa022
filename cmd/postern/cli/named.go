package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-ca/postern/issuance"
)

// foundRecords is the result of a search by the API.
type foundRecords struct {
	Organizations []organizationRecord
	Contacts      []contactRecord
	Services      []serviceRecord
	Orders        []orderRecord
	Certificates  []certificateRecord
	Messages      []messageRecord
	More          []string
}

// named adds to the help of c how a certificate can be named.
func named(c *cobra.Command) *cobra.Command {
	about := `ANYTHING names the certificate: its serial number in any notation, or the last eight
digits that the SMS with the password shows; a SHA-256 or SHA-1 fingerprint; its CN,
service or SPIFFE ID; the mail address or phone number of its contact; a file in PEM or
DER, - for standard input. If it names several, they are listed, and nothing is done.`
	c.Long = strings.TrimSpace(first(c.Long, c.Short+".") + "\n\n" + about)
	return c
}

// atCertificate returns a function that returns the path of the one certificate that its
// argument names. If several match, those without one of statuses are left out, because
// the verb cannot change them.
func (n *connection) atCertificate(statuses ...string) func(context.Context, *client, string) (string, error) {
	return func(ctx context.Context, api *client, arg string) (string, error) {
		if serial, err := issuance.ParseSerial(arg); err == nil && isWhole(serial) {
			return certificatePath(serial), nil
		}
		c, err := n.search(ctx, api, arg, statuses)
		return certificatePath(c.Serial), err
	}
}

func certificatePath[S ~string](serial S) string { return "api/v1/certificates/" + string(serial) }

// isWhole reports whether serial is a complete serial number of Postern: nothing else
// has 34 digits.
func isWhole(serial issuance.Serial) bool {
	return len(serial) == 34 && serial[0] >= '1' && serial[0] <= '7'
}

// certificate is atCertificate, and returns the certificate.
func (n *connection) certificate(
	ctx context.Context, api *client, arg string, statuses []string,
) (c certificateRecord, err error) {
	if serial, err := issuance.ParseSerial(arg); err == nil && isWhole(serial) {
		err = api.get(ctx, certificatePath(serial), nil, &c)
		return c, err
	}
	return n.search(ctx, api, arg, statuses)
}

func (n *connection) search(ctx context.Context, api *client, arg string, statuses []string) (certificateRecord, error) {
	typed, err := inHand(arg, n.options.In)
	if err != nil {
		return certificateRecord{}, err
	}
	var found foundRecords
	if err := api.get(ctx, "api/v1/search", url.Values{"q": {typed}, "only": {"certificates"}}, &found); err != nil {
		return certificateRecord{}, err
	}
	fitting := slices.DeleteFunc(slices.Clone(found.Certificates), func(c certificateRecord) bool {
		return len(statuses) > 0 && !slices.Contains(statuses, c.status())
	})
	switch {
	case len(found.Certificates) == 0 && isFileName(arg):
		return certificateRecord{}, nowhere(arg)
	case len(found.Certificates) == 0:
		return certificateRecord{}, issuance.NoSuch(issuance.CertificateNoun, arg)
	case len(found.Certificates) == 1:
		return found.Certificates[0], nil
	case len(fitting) == 1 && len(found.More) == 0:
		return fitting[0], nil
	case len(fitting) == 0:
		fitting = found.Certificates
	}
	return certificateRecord{}, several(arg, fitting, len(found.More) > 0, api.names(ctx))
}

// several lists the certificates that something names.
func several(arg string, found []certificateRecord, more bool, contact namer) error {
	t := table{head: certificateHead()}
	for _, c := range found {
		t.add(certificateRow(contact, c)...)
	}
	var text strings.Builder
	if err := t.print(&text); err != nil {
		return err
	}
	count := fmt.Sprint(len(found))
	if more {
		count = "more than " + count
	}
	return &issuance.Error{
		Kind: issuance.Conflict, Code: issuance.CodeSeveral,
		Message: clip(arg, 64) + " names " + count + " certificates:\n" + text.String(),
		Hint:    "name one by its serial number, in the last column",
	}
}
