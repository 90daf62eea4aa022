package issuance

import "strconv"

// changes tells which fields of a contact are new, with addresses and numbers as
// pages show them.
func (c Contact) changes(now Contact) map[string]string {
	d := make(map[string]string)
	for field, v := range map[string][2]string{
		"name": {c.Name, now.Name}, "language": {c.Language, now.Language},
		"may_order":   {strconv.FormatBool(c.MayOrder), strconv.FormatBool(now.MayOrder)},
		"may_receive": {strconv.FormatBool(c.MayReceive), strconv.FormatBool(now.MayReceive)},
	} {
		if v[0] != v[1] {
			d[field] = v[0] + " -> " + v[1]
		}
	}
	if c.Email != now.Email {
		d["email"] = masked(c.MaskedEmail(), now.MaskedEmail(), "another name before the @")
	}
	if c.Mobile != now.Mobile {
		d["mobile"] = masked(c.MaskedMobile(), now.MaskedMobile(), "other digits before these")
	}
	return d
}

// addresses tells in the clear which of c's address and number are new.
func (c Contact) addresses(now Contact) map[string]string {
	d := make(map[string]string)
	if c.Email != now.Email {
		d["email"] = c.Email + " -> " + now.Email
	}
	if c.Mobile != now.Mobile {
		d["mobile"] = c.Mobile + " -> " + now.Mobile
	}
	return d
}

// masked tells of a change between two values of which only a part may be shown;
// if these parts are the same, hidden says where the difference is.
func masked(old, now, hidden string) string {
	if old == now {
		return now + " (" + hidden + ")"
	}
	return old + " -> " + now
}
