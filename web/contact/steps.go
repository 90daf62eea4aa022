package contact

import (
	"strings"

	"github.com/postern-ca/postern/issuance"
)

// Place is an answer to "where will you install it?".
type Place struct {
	Target   issuance.Target
	Name     string // in the keys of its texts
	Selected bool
}

// Places returns the answers, with the order's preference selected.
func (d *view) Places() (out []Place) {
	for _, t := range []issuance.Target{
		issuance.WindowsTarget, issuance.WindowsOldTarget, issuance.JavaTarget, issuance.OpenSSLTarget,
		issuance.DotNetTarget, issuance.AppleTarget, issuance.OtherTarget,
	} {
		name := string(t)
		if t == issuance.OtherTarget {
			name = "elsewhere" // "other" is a plural form to the catalogs
		}
		out = append(out, Place{t, name, string(t) == d.Target})
	}
	return out
}

// Keys returns the key algorithms to choose from.
func (d *view) Keys() []issuance.KeyAlgorithm { return issuance.KeyAlgorithms() }

// MakeCSR returns a command that makes a key and a request for it.
func (d *view) MakeCSR() string {
	return strings.ReplaceAll("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "+
		`-keyout {name}.key -subj "/CN={name}" -out {name}.csr`, "{name}", d.slug())
}

// Step is one step of the installation: the key of a text, and what to type.
type Step struct {
	Text    string
	Command string // "" if there is nothing to type
}

// Guide is how to check and install the file in one place.
type Guide struct {
	Name  string // key of its heading's text
	Check string // command that shows serial and fingerprint of the file
	Steps []Step
}

// Guides returns the guide for the chosen place, or all of them if the choice does not
// name one.
func (d *view) Guides() []Guide {
	names := map[issuance.Target][]string{
		issuance.WindowsTarget: {"windows"}, issuance.WindowsOldTarget: {"windows"}, issuance.JavaTarget: {"java"},
		issuance.OpenSSLTarget: {"openssl"}, issuance.DotNetTarget: {"dotnet"}, issuance.AppleTarget: {"apple"},
	}[d.Order.Target]
	if d.Order.FromCSR {
		names = []string{"csr"}
	}
	if names == nil {
		names = []string{"windows", "java", "openssl", "dotnet", "apple"}
	}
	fill := strings.NewReplacer("{file}", d.File(), "{name}", d.slug(), "{alias}",
		strings.ToLower(string(d.Service.ID)), "{serial}", d.Serial())
	var out []Guide
	for _, n := range names {
		g := guide(n)
		g.Check = fill.Replace(g.Check)
		for i := range g.Steps {
			g.Steps[i].Command = fill.Replace(g.Steps[i].Command)
		}
		out = append(out, g)
	}
	return out
}

// opensslCheck shows serial and fingerprint of a PKCS#12 file.
const opensslCheck = "openssl pkcs12 -in {file} -nokeys -clcerts | openssl x509 -noout -serial -fingerprint -sha256"

// guide returns the guide called name, with placeholders for the order's values.
func guide(name string) Guide {
	switch name {
	case "windows":
		return Guide{"place.windows", "$c = Get-PfxCertificate .\\{file}\n$c.SerialNumber\n" +
			"[BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($c.RawData))", []Step{
			{"guide.windows.import", "Import-PfxCertificate -FilePath .\\{file} `\n" +
				"  -CertStoreLocation Cert:\\LocalMachine\\My `\n" +
				"  -Password (Read-Host 'Password' -AsSecureString)"},
			{"guide.windows.wizard", ""},
			{"guide.windows.access", "IIS AppPool\\DefaultAppPool"},
			{"guide.windows.look", "Get-ChildItem Cert:\\LocalMachine\\My |\n" +
				"  Where-Object SerialNumber -eq '{serial}' |\n" +
				"  Format-List Subject, NotAfter, HasPrivateKey"},
		}}
	case "java":
		return Guide{"place.java", "keytool -list -v -storetype PKCS12 -keystore {file}", []Step{
			{"guide.java.move", "install -m 600 {file} /etc/{name}/{file}"},
			{"guide.java.options", "-Djavax.net.ssl.keyStore=/etc/{name}/{file}\n" +
				"-Djavax.net.ssl.keyStoreType=PKCS12\n" +
				"-Djavax.net.ssl.keyStorePassword=…"},
			{"guide.java.start", "chmod 600 /etc/{name}/tls.options\njava @/etc/{name}/tls.options -jar app.jar"},
			{"guide.java.alias", "{alias}"},
		}}
	case "openssl":
		return Guide{"place.openssl", opensslCheck, []Step{
			{"guide.openssl.split", "umask 077\n" +
				"openssl pkcs12 -in {file} -nokeys -out {name}-chain.pem\n" +
				"openssl pkcs12 -in {file} -nocerts -nodes -out {name}-key.pem"},
			{"guide.openssl.curl", "curl --cert {name}-chain.pem --key {name}-key.pem https://…"},
			{"guide.openssl.nginx", "proxy_ssl_certificate     /etc/nginx/{name}-chain.pem;\n" +
				"proxy_ssl_certificate_key /etc/nginx/{name}-key.pem;"},
			{"guide.openssl.combined", "cat {name}-chain.pem {name}-key.pem > {name}.pem\n" +
				"# Apache\n" +
				"SSLProxyMachineCertificateFile /etc/apache2/{name}.pem\n" +
				"# HAProxy\n" +
				"server s1 host:443 ssl crt /etc/haproxy/{name}.pem verify required ca-file …"},
		}}
	case "dotnet":
		return Guide{"place.dotnet", opensslCheck, []Step{
			{"guide.dotnet.load", "var all = X509CertificateLoader.LoadPkcs12CollectionFromFile(\"{file}\", password);\n" +
				"var own = all.First(c => c.HasPrivateKey);"},
			{"guide.dotnet.use", "var handler = new SocketsHttpHandler();\n" +
				"handler.SslOptions.ClientCertificateContext =\n" +
				"    SslStreamCertificateContext.Create(own, all, offline: true);\n" +
				"var client = new HttpClient(handler);"},
			{"guide.dotnet.password", ""},
		}}
	case "apple":
		return Guide{"place.apple", opensslCheck, []Step{
			{"guide.apple.mac", "security import {file} -k ~/Library/Keychains/login.keychain-db"},
			{"guide.apple.access", ""},
			{"guide.apple.ios", ""},
		}}
	}
	return Guide{"guide.csr.name", "openssl x509 -in {file} -noout -serial -fingerprint -sha256", []Step{
		{"guide.csr.match", "openssl x509 -in {file} -noout -pubkey\nopenssl pkey -in {name}.key -pubout"},
		{"guide.csr.use", "curl --cert {file} --key {name}.key https://…"},
		{"guide.csr.pack", "openssl pkcs12 -export -in {file} -inkey {name}.key -name {alias} -out {name}.p12"},
	}}
}
