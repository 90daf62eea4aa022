package cli

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// aToken has what links have: 43 letters, digits, hyphens and underscores.
const aToken = "aB3-_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxYz-_9"

func TestLinks(t *testing.T) {
	const want = "https://certs.example.com/c/" + aToken
	for _, address := range []string{
		want, " " + want + "/\n", want + "/claim", want + "/code", "<" + want + ">", want + ".", "(" + want + ")", "\u200b" + want + "\u200e", want + "?x=1",
		want + "#top", want[:40] + "\n" + want[40:],
	} {
		if l, err := newLink(address, nil); err != nil || l.base.String() != want {
			t.Errorf("%q: got %v, %v", address, l, err)
		}
	}
	for _, address := range []string{
		"https://example.com/certs/c/" + aToken, "http://localhost:8080/c/" + aToken, "http://127.0.0.1:8080/c/" + aToken,
	} {
		if l, err := newLink(address, nil); err != nil || l.base.String() != address {
			t.Errorf("%q: got %v, %v", address, l, err)
		}
	}
}

// Nothing but the shape of a link tells that the host is one that may learn a code.
func TestWhatIsNoLinkIsRefused(t *testing.T) {
	const link = "https://certs.example.com/c/" + aToken
	for _, address := range []string{
		"", "https://certs.example.com/", "https://certs.example.com/claim", "https://certs.example.com/c/", "https://certs.example.com/c/abc",
		link + "x", link[:len(link)-1], link + "__;!!", link + "/more", link + "\x00/def", "http://certs.example.com/c/" + aToken,
		"https://u:p@certs.example.com/c/" + aToken, "ftp://certs.example.com/c/" + aToken, "certs.example.com/c/" + aToken,
		"https://filter.example/v3/__" + link + "__;!!abc$", "https://filter.example/" + link, "https://filter.example/?url=" + url.QueryEscape(link),
		"https://filter.example/" + url.PathEscape(link), "https://filter.example/x%2Fc/" + aToken,
	} {
		if l, err := newLink(address, nil); err == nil || strings.Contains(err.Error(), aToken[:20]) {
			t.Errorf("%q: got %v, %v; want a refusal without the link in it", address, l, err)
		}
	}
}

func TestRewrittenLinksAreUnwrapped(t *testing.T) {
	const link = "https://certs.example.com/c/" + aToken
	escaped, in64 := url.QueryEscape(link), base64.StdEncoding.EncodeToString([]byte(link))
	safe := "https://eur01.safelinks.protection.outlook.com/?url=" + escaped + "&data=05%7C02%7Canna%40acme.example&sdata=abc%3D&reserved=0"
	for address, filters := range map[string][]string{
		safe: {"Microsoft Safe Links"},
		"https://urldefense.com/v3/__" + link + "__;!!CzAuKJ42GuquVTTmVmPViYEvSg!Kx7abc$":                                                                                  {"Proofpoint URL Defense"},
		"https://urldefense.us/v3/__https:/certs.example.com/c/" + aToken + "__;!!abc!def$":                                                                                {"Proofpoint URL Defense"},
		"https://urldefense.com/v3/__https://certs.example.com/*/" + aToken + "__;Yw!!abc!def$":                                                                            {"Proofpoint URL Defense"},
		"https://urldefense.com/v3/__https:**A" + strings.TrimPrefix(link, "https://") + "__;Ly8!!abc!def$":                                                                {"Proofpoint URL Defense"},
		"https://urldefense.proofpoint.com/v2/url?u=https-3A__certs.example.com_c_aB3-2D-5FxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxYz-2D-5F9&d=DwMFaQ&c=abc&r=def&m=ghi&s=jkl&e=": {"Proofpoint URL Defense"},
		"https://urldefense.proofpoint.com/v1/url?u=" + escaped + "&k=abc%3D%3D%0A&r=def":                                                                                  {"Proofpoint URL Defense"},
		"https://linkprotect.cudasvc.com/url?a=" + escaped + "&c=E,1,abc&typo=1":                                                                                           {"Barracuda Link Protection"},
		"https://secure-web.cisco.com/1abcDEF-_ghi/" + url.PathEscape(link):                                                                                                {"Cisco Secure Email"},
		"https://eu-central-1.protection.sophos.com/?d=example.com&u=" + url.QueryEscape(in64) + "&p=m&i=abc&t=def":                                                        {"Sophos Email"},
		"https://imsva91-ctp.trendmicro.com:443/wis/clicktime/v1/query?url=" + escaped + "&umid=abc&auth=def":                                                              {"Trend Micro"},
		"https://clicktime.symantec.com/15tabc?h=def&u=" + escaped:                                                                                                         {"Symantec Email Security"},
		"https://protect2.fireeye.com/v1/url?k=abc&q=1&e=def&u=" + escaped:                                                                                                 {"Trellix"},
		"https://url.avanan.click/v2/___" + link + "___.YXAzOmFiYzphOm86abc":                                                                                               {"Check Point Harmony Email"},
		"https://r1.r.us-east-1.awstrack.me/L0/" + url.PathEscape(link) + "/1/0100018f-abc-000000/def=370":                                                                 {"Amazon SES"},
		"https://www.google.com/url?q=" + escaped + "&sa=D&source=calendar":                                                                                                {"Google"},
		"https://urldefense.com/v3/__" + safe + "__;!!abc!def$":                                                                                                            {"Proofpoint URL Defense", "Microsoft Safe Links"},
	} {
		l, err := newLink(address, nil)
		if err != nil || l.base.String() != link || !slices.Equal(l.filters, filters) {
			t.Errorf("%s: got %+v, %v", address, l, err)
		}
	}
}

func TestAFilterThatHidesTheLinkIsNamed(t *testing.T) {
	for address, name := range map[string]string{
		"https://protect-eu.mimecast.com/s/AbCdEfGhIjKlMn?domain=certs.example.com":             "Mimecast",
		"https://url.uk.m.mimecastprotect.com/s/AbCd?domain=certs.example.com":                  "Mimecast",
		"https://u123.ct.sendgrid.net/ls/click?upn=u001.abc":                                    "SendGrid",
		"https://url.avanan.click/v2/r01/___mtzw://hjwyx.jcfruqj.htr/h/abc___.YXAzOmFiYzphOm86": "Check Point",
		"https://eur01.safelinks.protection.outlook.com/":                                       "Microsoft",
	} {
		_, err := newLink(address, nil)
		if err == nil || !strings.Contains(err.Error(), "rewritten by "+name) || !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

// The address of a filter that nobody knows ends as a link does, but is none: its
// server is asked nothing, and least of all told the code.
func TestNothingIsSentToAFilter(t *testing.T) {
	asked := 0
	filter := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer filter.Close()
	out := filepath.Join(t.TempDir(), "out.p12")
	for _, path := range []string{"/v3/__https://certs.example.com/c/" + aToken + "__;!!abc", "/https://certs.example.com/c/" + aToken} {
		var errs strings.Builder
		status := Run(t.Context(), Options{Args: []string{"claim", "--out", out, filter.URL + path}, In: strings.NewReader("12345678\n"), Out: &errs, Err: &errs})
		if status != StatusFailed || asked > 0 || !strings.Contains(errs.String(), "nothing was sent") {
			t.Errorf("%s: status %d, asked %d times, said %s", path, status, asked, &errs)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was left")
	}
}
