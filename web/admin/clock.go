package admin

import (
	"time"

	"github.com/postern-ca/postern/issuance"
)

type clock struct {
	Time     time.Time  `json:"time"`
	Clock    time.Time  `json:"clock"`
	Recorded time.Time  `json:"recorded,omitzero"`
	Doubt    *doubt     `json:"doubt,omitempty"`
	Servers  []answered `json:"servers"`
}

type doubt struct {
	Since       time.Time `json:"since"`
	Cause       string    `json:"cause"`
	JumpSeconds int64     `json:"jump_seconds"`
}

type answered struct {
	Server        string  `json:"server"`
	OffsetSeconds float64 `json:"offset_seconds"`
	Error         string  `json:"error,omitempty"`
}

func viewClock(v issuance.ClockView) clock {
	out := clock{Time: v.Time, Clock: v.Wall, Recorded: v.Recorded, Servers: make([]answered, 0, len(v.Servers))}
	if d := v.Doubt; d != nil {
		out.Doubt = &doubt{Since: d.Since, Cause: d.Cause, JumpSeconds: int64(d.Jump / time.Second)}
	}
	for _, a := range v.Servers {
		out.Servers = append(out.Servers, answered{a.Server, a.Offset.Seconds(), a.Error})
	}
	return out
}

func (a *API) showClock(c *call) (any, error) {
	if err := c.noQuery(); err != nil {
		return nil, err
	}
	v, err := a.opts.Registrar.ShowClock(c.r.Context())
	return viewed(v, err, viewClock)
}

func (a *API) acceptClock(c *call) (any, error) {
	var typed string
	if _, err := c.read(fields{"time": text(&typed)}); err != nil {
		return nil, err
	}
	at, err := time.Parse(time.RFC3339, typed)
	if err != nil && typed != "" {
		return nil, issuance.Invalidf("time", "is not a time", "use RFC 3339, for example 2027-01-31T00:00:00Z")
	}
	v, err := a.opts.Registrar.AcceptClock(c.r.Context(), c.by, at)
	return viewed(v, err, viewClock)
}
