// Package auth answers the proxies in front of web services: nginx's
// auth_request, forward_auth of Caddy and Traefik, Envoy's ext_authz. It says
// whose service calls, or why the call is refused.
//
// It believes a proxy that has proven who it is, and of that proxy one header in
// one format, which its configuration names. It takes a certificate from it and
// nothing else: no serial number, no name, no result of another's check. Whether
// the certificate stands is asked anew for each request; if nobody can tell, the
// answer is no. From callers that check certificates themselves it takes reports of
// what they saw, which count and decide nothing.
package auth
