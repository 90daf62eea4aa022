// Package auth answers the proxies in front of web services: nginx's
// auth_request, forward_auth of Caddy and Traefik, Envoy's ext_authz. It says
// whose service calls, or why the call is refused.
//
// It trusts a proxy that has proven its identity, and reads one header in one
// format, both set in the configuration. It takes only the certificate from that
// header: no serial number, no name, no result of another check. The certificate's
// status is looked up for each request; if that fails, the request is refused.
// Callers that check certificates themselves can report what they saw; such reports
// are counted, and decide nothing.
package auth
