// Package page is what the pages of every audience share: the layout, the style
// sheets, the texts in each language, and the one error page for people.
//
// It knows nothing about orders or certificates except the codes of their errors,
// loads nothing from other hosts, and writes no page before it is complete.
package page
