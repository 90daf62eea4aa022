package admin

import "github.com/postern-ca/postern/issuance/report"

// report is the endpoint of the reports of a kind; name is the parameter that says which
// day or month. Everybody with a token may read them.
func (a *API) report(kind report.Kind, name string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		q := c.query(name, "limit")
		find := report.Query{Kind: kind, Period: q.text(name), Limit: q.page().Limit}
		if q.err != nil {
			return nil, q.err
		}
		return a.opts.Reports.Report(c.r.Context(), find)
	}
}
