package issuance

import "time"

// OrderReader looks up orders.
type OrderReader interface {
	Order(OrderID) (Order, error)
	// OrderByLink finds an order by the digest of its current link; a digest that
	// was replaced is not found.
	OrderByLink(Digest) (Order, error)
	Orders(OrderQuery) ([]Order, string, error)
	// DueOrders returns up to limit orders whose DueAt is set and not after now,
	// the earliest first.
	DueOrders(now time.Time, limit int) ([]Order, error)
}

// Orders keeps orders.
type Orders interface {
	OrderReader
	PutOrder(Order) error
	// DoneTo returns the audit records of verb about the order with id, the newest first.
	DoneTo(id OrderID, verb Verb) ([]AuditRecord, error)
}

// OrderQuery asks for orders.
type OrderQuery struct {
	State        OrderState
	Organization OrgID
	Service      ServiceID
	Contact      ContactID
	Renews       Serial
	Page
}
