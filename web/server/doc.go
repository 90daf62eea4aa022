// Package server is what all listeners have in common: limits and timeouts, one log
// event and one set of measurements for each request, recovery from panics, problem
// documents, the security headers, health checks, and a shutdown that lets requests
// finish.
//
// It knows no audience, and decides nothing about what a request may do.
package server
