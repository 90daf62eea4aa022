package issuance

// Distinction returns what subjects of s have in addition to their names.
func Distinction(o Organization, s Service) string { return distinction(o, s) }
