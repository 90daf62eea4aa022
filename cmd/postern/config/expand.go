package config

import "regexp"

// unexpanded reports whether s has a variable in it that another program would
// have replaced, as in ${TOKEN}; whole: whether it is one and nothing else.
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
	hint := "take the key out and set " + l.variable()
	switch row := whole(l.key) != ""; {
	case row && l.secret():
		hint = "name the file that has it with " + l.key + "_file"
	case row:
		hint = "write the value itself"
	case l.secret():
		hint = "name the file that has it with " + l.key + "_file, or " + hint
	}
	return wrong("has a variable in it, and variables are not replaced here", hint)
}
