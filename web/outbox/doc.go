// Package outbox shows, for development and trying out, the mails and SMS that
// would have been sent. They have links, codes and passwords in them: it serves
// nobody but this computer, and exists only where no real provider is configured.
package outbox
