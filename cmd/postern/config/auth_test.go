package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postern-ca/postern/cmd/postern/config"
	"github.com/postern-ca/postern/issuance"
)

// callers is an auth section that nothing is wrong with; it begins in line 15.
const callers = `auth:
  callers:
    - name: edge
      secret: fedcba9876543210
      format: nginx
    - name: mesh
      services: [postern.mesh]
      format: envoy
      upstream_by: header
      upstreams:
        - name: payments
          organizations: [acme]
          environments: [production]
        - name: sandbox
          environment: test
          allow_without_certificate: true
`

func TestCallers(t *testing.T) {
	c := load(t, sound+callers)
	if !c.Auth.Serves() || c.Auth.URL != "https://127.0.0.1:9444" || !c.Auth.ByCertificate() {
		t.Errorf("got %+v", c.Auth)
	}
	want := config.Caller{
		Name: "mesh", Services: []string{"postern.mesh"}, Format: "envoy", UpstreamBy: "header",
		Upstreams: []config.Upstream{
			{Name: "payments", Organizations: []string{"acme"}, Environments: []string{"production"}},
			{Name: "sandbox", Environment: "test", AllowWithoutCertificate: true},
		},
	}
	if d := cmp.Diff(want, c.Auth.Callers[1], cmp.AllowUnexported(issuance.Secret{})); d != "" {
		t.Error(d)
	}
	if load(t, sound).Auth.Serves() {
		t.Error("a listener without callers is opened")
	}
	edge, _, _ := strings.Cut(callers, "    - name: mesh")
	only := load(t, sound+edge)
	if only.Auth.URL != "http://127.0.0.1:9444" || !only.Auth.Cleartext() {
		t.Errorf("on loopback, with a secret, the address is %s", only.Auth.URL)
	}
	off := load(t, sound+strings.Replace(edge, "auth:\n", "auth:\n  listen: \"\"\n", 1))
	if off.Auth.Serves() {
		t.Error("an empty auth.listen is opened")
	}
}

func TestCallersInTheEnvironment(t *testing.T) {
	c := load(t, sound, "POSTERN_AUTH_CALLERS=[{name: edge, format: nginx, secret_file: "+secretFile(t, "fedcba9876543210\n")+"}]")
	if len(c.Auth.Callers) != 1 || string(c.Auth.Callers[0].Secret.Reveal()) != "fedcba9876543210" {
		t.Errorf("got %v", c.Auth.Callers)
	}
	for _, bad := range []string{"edge", "[edge]", "{", "[{name: edge, forma: nginx}]", "[{name: edge, format: nginx, secret_file: /nowhere}]"} {
		got := problems(t, config.Options{Path: write(t, sound), Environ: []string{"POSTERN_AUTH_CALLERS=" + bad}})
		if len(got) == 0 || got[0] != "POSTERN_AUTH_CALLERS auth.callers" {
			t.Errorf("%s: got %q", bad, got)
		}
	}
	got := problems(t, config.Options{Path: write(t, sound), Environ: []string{"POSTERN_AUTH_CALLERS=[{name: edge, format: ngin, secret: fedcba9876543210}]"}})
	if d := cmp.Diff([]string{"POSTERN_AUTH_CALLERS auth.callers[0].format"}, got); d != "" {
		t.Error(d)
	}
}

func TestCallersThatCannotStand(t *testing.T) {
	for _, tt := range []struct{ name, from, to, want string }{
		{"no name", "name: edge", "name:", "postern.yaml:17 auth.callers[0].name"},
		{"a name for no URL", "name: edge", "name: a b", "postern.yaml:17 auth.callers[0].name"},
		{"one name twice", "name: mesh", "name: edge", "postern.yaml:20 auth.callers[1].name"},
		{"no proof", "      secret: fedcba9876543210\n", "", "postern.yaml:17 auth.callers[0].secret"},
		{"two proofs", "format: nginx", "services: [a.b]\n      format: nginx", "postern.yaml:19 auth.callers[0].services"},
		{"a short secret", "fedcba9876543210", "fedcba987654321", "postern.yaml:18 auth.callers[0].secret"},
		{"a secret that no header takes", "fedcba9876543210", "\"fedcba98 76543210\"", "postern.yaml:18 auth.callers[0].secret"},
		{"one secret twice", "services: [postern.mesh]", "secret: fedcba9876543210", "postern.yaml:21 auth.callers[1].secret"},
		{"no service", "[postern.mesh]", "[mesh]", "postern.yaml:21 auth.callers[1].services"},
		{"no format", "      format: nginx\n", "", "postern.yaml:17 auth.callers[0].format"},
		{"whatever is there", "format: nginx", "format: auto", "postern.yaml:19 auth.callers[0].format"},
		{"another header", "format: nginx", "format: nginx\n      header: Authorization", "postern.yaml:20 auth.callers[0].header"},
		{"no header", "format: nginx", "format: nginx\n      header: X_Cert", "postern.yaml:20 auth.callers[0].header"},
		{"not Envoy's header", "format: envoy", "format: envoy\n      header: X-Cert", "postern.yaml:23 auth.callers[1].header"},
		{"a client's query", "      upstream_by: header\n", "", "postern.yaml:20 auth.callers[1].upstream_by"},
		{"neither", "upstream_by: header", "upstream_by: path", "postern.yaml:23 auth.callers[1].upstream_by"},
		{"one upstream twice", "name: sandbox", "name: payments", "postern.yaml:28 auth.callers[1].upstreams[1].name"},
		{"no organisation", "[acme]", "[Acme]", "postern.yaml:26 auth.callers[1].upstreams[0].organizations"},
		{"no environment", "[production]", "[prod]", "postern.yaml:27 auth.callers[1].upstreams[0].environments"},
		{"production without a certificate", "environment: test", "environment: production", "postern.yaml:30 auth.callers[1].upstreams[1].allow_without_certificate"},
		{"by default without a certificate", "          environment: test\n", "", "postern.yaml:29 auth.callers[1].upstreams[1].allow_without_certificate"},
		{"an unknown key", "format: nginx", "formal: nginx", "postern.yaml:19 auth.callers[0].formal"},
		{"no TLS for other machines", "auth:\n", "auth:\n  listen: 10.0.0.1:9444\n  url: http://localhost:9444\n", "postern.yaml:16 auth.listen"},
		{"no TLS for certificates", "auth:\n", "auth:\n  url: http://localhost:9444\n", "postern.yaml:16 auth.url"},
		{"no listener for certificates", "auth:\n", "auth:\n  listen: \"\"\n", "postern.yaml:22 auth.callers[1].services"},
		{"a port that is taken", "auth:\n", "auth:\n  listen: 127.0.0.1:8443\n", "postern.yaml:16 auth.listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(callers, tt.from) {
				t.Fatalf("callers has no %q", tt.from)
			}
			got := problems(t, config.Options{Path: write(t, sound+strings.Replace(callers, tt.from, tt.to, 1))})
			if len(got) == 0 || got[0] != tt.want && !(len(got) > 1 && got[1] == tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCallersAreShownWithoutTheirSecrets(t *testing.T) {
	shown := string(load(t, sound+callers).Effective())
	if strings.Contains(shown, "fedcba9876543210") || !strings.Contains(shown, "secret: '[redacted]'") || !strings.Contains(shown, "allow_without_certificate: true") {
		t.Errorf("got\n%s", shown)
	}
	// What is shown loads again, but for the secrets.
	text := strings.ReplaceAll(shown, "'[redacted]'", "another-secret-of-it")
	back := load(t, strings.Replace(text, "auth_token: another-secret-of-it", "auth_token: x", 1))
	if len(back.Auth.Callers) != 2 || len(back.Auth.Callers[1].Upstreams) != 2 {
		t.Errorf("got %v of\n%s", back.Auth.Callers, text)
	}
}
