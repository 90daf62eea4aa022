// Package outbox shows, for development and trying out, the mails and SMS that would
// have been sent. They contain links, codes and passwords: the page is served only to
// this computer, and only where no real provider is configured.
package outbox
