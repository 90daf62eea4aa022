package issuance

// Document is what a mail to staff carries as text and tables, as a report does.
// Each cell and line is printable and short.
type Document struct {
	Title   string // the subject
	Summary string // in one line, what needs doing first
	Scope   []string
	Parts   []DocumentPart
	Text    string // the whole in plain text, with aligned columns
}

// DocumentPart is a part of a document.
type DocumentPart struct {
	Title    string
	Sections []DocumentSection
}

// DocumentSection is a table with a title, or one line that says what is not
// there or how much there is.
type DocumentSection struct {
	Line  string // instead of all others
	Title string
	Head  []string
	Rows  [][]string
	After []string // what is left out, and how to go on
}
