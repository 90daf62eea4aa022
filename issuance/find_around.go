package issuance

// organizations finds organisations, and what they have.
func (f *finding) organizations(typed string) error {
	found, err := f.v.organizations(typed)
	if err != nil {
		return err
	}
	f.Organizations = found
	for _, o := range found {
		services, _, err := f.v.tx.Services(ServiceQuery{Organization: o.ID, Page: Page{Limit: mostFound + 1}})
		if err != nil {
			return err
		}
		for _, s := range services {
			merge(f, ServiceNoun, &f.Services, s, func(s Service) string { return string(s.ID) })
		}
		contacts, _, err := f.v.tx.Contacts(ContactQuery{Organization: o.ID, Page: Page{Limit: mostFound + 1}})
		if err != nil {
			return err
		}
		for _, c := range contacts {
			merge(f, ContactNoun, &f.Contacts, c, func(c Contact) string { return string(c.ID) })
		}
		if err := f.certificates(CertificateQuery{Organization: o.ID}); err != nil {
			return err
		}
		if err := f.orders(OrderQuery{Organization: o.ID}); err != nil {
			return err
		}
	}
	return nil
}

// notice finds a message, and its order.
func (f *finding) notice(typed string) error {
	n, err := f.v.tx.Notice(NoticeID(word(typed)))
	if err != nil {
		return ignoreNotFound(err)
	}
	f.Notices = []Notice{n}
	o, err := f.v.tx.Order(n.Order)
	if err == nil {
		f.addOrders(o)
	}
	return ignoreNotFound(err)
}

// around finds the orders of what was found, and the messages of an order that was
// asked for.
func (f *finding) around() error {
	asked := f.Orders
	for _, c := range f.Found.Certificates {
		o, err := f.v.tx.Order(c.Order)
		if err == nil {
			f.addOrders(o)
		} else if ignoreNotFound(err) != nil {
			return err
		}
	}
	for _, c := range f.Contacts {
		if err := f.orders(OrderQuery{Contact: c.ID}); err != nil {
			return err
		}
	}
	for _, s := range f.Services {
		if err := f.orders(OrderQuery{Service: s.ID}); err != nil {
			return err
		}
	}
	if len(asked) == 1 && len(f.Notices) == 0 && len(f.Organizations) == 0 {
		return f.notices(asked[0].ID)
	}
	return nil
}

func (f *finding) orders(q OrderQuery) error {
	q.Limit = mostFound + 1
	found, _, err := f.v.tx.Orders(q)
	f.addOrders(found...)
	return err
}

func (f *finding) addOrders(found ...Order) {
	for _, o := range found {
		merge(f, OrderNoun, &f.Found.Orders, o, func(o Order) string { return string(o.ID) })
	}
}

func (f *finding) notices(id OrderID) error {
	found, _, err := f.v.tx.Notices(NoticeQuery{Order: id, Page: Page{Limit: mostFound + 1}})
	for _, n := range found {
		merge(f, MessageNoun, &f.Found.Notices, n, func(n Notice) string { return string(n.ID) })
	}
	return err
}
