package issuance

// about names o as staff know it: nobody knows an order by its id alone.
func (w *work) about(o *Order) string {
	service, organization, contact := string(o.Service), string(o.Organization), string(o.Contact)
	if s, err := w.Service(o.Service); err == nil {
		service = s.Name
	}
	if org, err := w.Organization(o.Organization); err == nil {
		organization = org.Name
	}
	if c, err := w.Contact(o.Contact); err == nil {
		contact = c.Name + ", " + c.Email
	}
	return "order " + string(o.ID) + " (service " + service + " of " + organization + ", for " + contact + ")"
}
