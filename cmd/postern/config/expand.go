package config

import "regexp"

// unexpanded reports whether s contains a variable that another program should have
// replaced, such as ${TOKEN}; whole reports whether it is nothing else.
func unexpanded(s string, whole bool) bool {
	pattern := `\$\{[A-Za-z_][A-Za-z0-9_]*(:?[-=?+][^}]*)?\}`
	if whole {
		pattern = "^" + pattern + "$"
	}
	return regexp.MustCompile(pattern).MatchString(s)
}

// expanded returns an error if s, which is to be the value of l, still has a
// variable in it. A secret and a body may have the signs of one: they must be one.
func (l leaf) expanded(s string) error {
	if !unexpanded(s, l.secret() && !l.headers() || l.key == "sms.webhook.body") {
		return nil
	}
	hint := "remove the key and set " + l.variable()
	switch row := whole(l.key) != ""; {
	case row && l.secret():
		hint = "set the file that contains it with " + l.key + "_file"
	case row:
		hint = "write the value itself"
	case l.secret():
		hint = "set the file that contains it with " + l.key + "_file, or " + hint
	}
	return wrong("contains a variable, but variables are not replaced here", hint)
}
