package contact

import (
	"math"
	"time"

	"github.com/postern-ca/postern/issuance"
)

// moment is a point in time as pages show it.
type moment struct {
	ISO     string // for time elements
	Clock   string // as people read it
	Seconds int    // from now, rounded up; 0 if it is over
	Minutes int    // the same
}

func (d *view) at(t time.Time, layout string) moment {
	return moment{
		ISO: t.UTC().Format(time.RFC3339), Clock: t.In(d.location).Format(layout),
		Seconds: max(0, int(math.Ceil(t.Sub(d.now).Seconds()))),
		Minutes: max(0, int(math.Ceil(t.Sub(d.now).Minutes()))),
	}
}

// CodeEnds, WindowCloses and ExpiresOn are the times that matter to contacts.
func (d *view) CodeEnds() moment { return d.at(d.Code.EndsAt, "15:04 MST") }

func (d *view) WindowCloses() moment {
	if d.Stage == issuance.ChooseStage {
		return d.at(d.SessionEnds, "15:04 MST")
	}
	return d.at(d.WindowEnds, "15:04 MST")
}

// NextCode and RevokedOn are the other times.
func (d *view) NextCode() moment { return d.at(d.Code.NextAt, "2006-01-02, 15:04 MST") }

func (d *view) RevokedOn() moment { return d.at(d.Certificate.ChangedAt, "2006-01-02, 15:04 MST") }

// longWait is the wait from which a page shows a time of day instead of seconds.
const longWait = 2 * time.Minute

// Limited reports whether the codes of a day are used up, so that the next one is
// available only hours later.
func (d *view) Limited() bool { return d.LimitWait() > longWait }

// LimitWait returns how long it is until the next code.
func (d *view) LimitWait() time.Duration {
	if d.Code.NextAt.IsZero() {
		return 0
	}
	return d.Code.NextAt.Sub(d.now)
}

// PasswordCooldown returns the seconds until the password can be sent again.
func (d *view) PasswordCooldown() int { return d.seconds(d.PasswordNextAt) }

func (d *view) ExpiresOn() moment { return d.at(d.Certificate.NotAfter, "2006-01-02") }

// Open reports whether the file can (still) be downloaded.
func (d *view) Open() bool { return d.now.Before(d.WindowEnds) && !d.Revoked() }

// Cooldown returns the seconds until another code can be asked for.
func (d *view) Cooldown() int { return d.seconds(d.Code.NextAt) }

// seconds returns how long it is until t, 0 if t is past or zero.
func (d *view) seconds(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return max(0, int(math.Ceil(t.Sub(d.now).Seconds())))
}
