package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// ChannelRow is a channel that is paused, or whose messages have waited too long.
type ChannelRow struct {
	Channel issuance.Channel `json:"channel"`
	Paused  bool             `json:"paused"`
	Since   time.Time        `json:"since,omitzero"` // when it paused, or its oldest message was queued
	Waiting int              `json:"waiting"`        // messages, however short
	AtLeast bool             `json:"at_least"`       // that many were looked at
	Reason  string           `json:"reason"`
}

// channels lists the channels that messages do not leave by, and those messages.
func (c *clerk) channels() error {
	c.out.ToDo.Channels = []ChannelRow{}
	var all found[issuance.Notice]
	for _, s := range c.states {
		overdue, err := issuance.Overdue(c, s.Channel, c.now)
		if err != nil {
			return err
		}
		all.records = append(all.records, overdue...)
		all.more = all.more || len(overdue) == issuance.MaxPage
		if !s.Paused && len(overdue) == 0 {
			continue
		}
		waiting, err := issuance.Waiting(c, s.Channel, c.now)
		if err != nil {
			return err
		}
		row := ChannelRow{
			Channel: s.Channel, Paused: s.Paused, Since: s.Since, Waiting: len(waiting),
			AtLeast: len(waiting) == issuance.MaxPage, Reason: s.Reason,
		}
		if len(overdue) > 0 {
			row.Reason = cmp.Or(row.Reason, overdue[0].LastError)
			if row.Since.IsZero() {
				row.Since = overdue[0].CreatedAt
			}
		}
		c.out.ToDo.Channels = append(c.out.ToDo.Channels, row)
	}
	slices.SortStableFunc(all.records, func(a, b issuance.Notice) int { return a.CreatedAt.Compare(b.CreatedAt) })
	var err error
	c.out.ToDo.Delayed, err = listed(c, all, func(n issuance.Notice) (MessageRow, error) {
		return MessageRow{Message: n.ID, Kind: n.Kind, Channel: n.Channel, Order: n.Order, At: n.CreatedAt, Error: n.LastError}, nil
	})
	return err
}

// The bounds of what a contact may take before staff should ask.
const (
	unclaimedAfter = 48 * time.Hour
	lapsedWithin   = 14 * 24 * time.Hour
)

// stuck keeps the invited orders whose contact cannot go on alone.
func (c *clerk) stuck(o issuance.Order) (bool, error) { return o.CodesUsedUp(c.policy, c.now), nil }

// unclaimed keeps the invited orders that nobody has claimed for some days.
func (c *clerk) unclaimed(o issuance.Order) (bool, error) {
	return c.now.Sub(c.invitedAt(o)) >= unclaimedAfter && !o.CodesUsedUp(c.policy, c.now), nil
}

// lapsed keeps the orders whose link expired a short time ago.
func (c *clerk) lapsed(o issuance.Order) (bool, error) {
	return c.now.Sub(o.UpdatedAt) < lapsedWithin, nil
}

// invitedAt returns when the present link of o was made.
func (c *clerk) invitedAt(o issuance.Order) time.Time {
	return o.Link.ExpiresAt.Add(-c.policy.LinkLifetime)
}

func requestedAt(o issuance.Order) time.Time { return o.RequestedAt }
func updatedAt(o issuance.Order) time.Time   { return o.UpdatedAt }

// nowhere are the sections about what does not leave the house.
func (r Report) nowhere() []issuance.DocumentSection {
	t := r.ToDo
	channels := Listed[ChannelRow]{Items: t.Channels}
	return []issuance.DocumentSection{
		section(channels, issuance.DocumentSection{
			Title: "Channels that are paused or slow",
			Head:  []string{"CHANNEL", "STATE", "SINCE", "WAITING", "REASON"},
		},
			"No channel is paused or slow.", "", func(c ChannelRow) []string {
				state := "slow"
				if c.Paused {
					state = "paused"
				}
				waiting := amount(c.Waiting)
				if c.AtLeast {
					waiting += " or more"
				}
				return []string{string(c.Channel), state, r.when(c.Since), waiting, c.Reason}
			}),
		section(t.Delayed, issuance.DocumentSection{
			Title: "Messages that have waited for longer than ten minutes",
			Head:  []string{"SINCE", "MESSAGE", "BY", "ID", "REASON"},
		},
			"No message has waited for longer than ten minutes.", "postern message list --state pending", func(m MessageRow) []string {
				return []string{r.when(m.At), string(m.Kind), string(m.Channel), string(m.Message), m.Error}
			}),
	}
}

// noProgress are the sections about orders whose contact does not go on.
func (r Report) noProgress() []issuance.DocumentSection {
	row := func(o OrderRow) []string {
		return []string{r.when(o.Since), string(o.Service), o.ContactName, string(o.Order)}
	}
	head := []string{"SINCE", "SERVICE", "CONTACT", "ORDER"}
	t := r.ToDo
	return []issuance.DocumentSection{
		section(t.Stuck, issuance.DocumentSection{Title: "Orders whose codes are used up: resend them", Head: head},
			"No order has used up its codes.", "postern order list --state invited", row),
		section(t.Unclaimed, issuance.DocumentSection{
			Title: "Orders that were not claimed two days after the link was sent", Head: head,
		},
			"No order has waited for longer than two days.", "postern order list --state invited", row),
		section(t.Lapsed, issuance.DocumentSection{Title: "Orders that lapsed in the last 14 days: resend or cancel them", Head: head},
			"No order lapsed.", "postern order list --state lapsed", row),
	}
}
