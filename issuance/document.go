package issuance

// Document is text and tables in a mail to staff, for example a report. Each cell
// and line is printable and short.
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

// DocumentSection is a table with a title, or one line that says that there is
// nothing, or how much there is.
type DocumentSection struct {
	Line  string // instead of all others
	Title string
	Head  []string
	Rows  [][]string
	After []string // what is left out, and how to go on
}
