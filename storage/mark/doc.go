// Package mark keeps the high-water mark: a small file outside of the database
// that says how far the database had come. A database that was put back to an
// older copy cannot know that it is old; the mark does.
//
// The file is only ever appended to. Each line is one [issuance.Progress], with a
// checksum before it, and is durable before Append returns. What a crash has torn
// can only be at the end, and is cut off. When the file has grown it is kept beside
// the new one as one older part; what is older than that is gone, and the mark
// says from where on it knows what happened.
//
// The package decides nothing: whether a database is behind is issuance's to say.
package mark
