package config

import "time"

// Audit says when checkpoints of the audit records are signed, and where they are sent
// besides the log.
type Audit struct {
	CheckpointEvery   time.Duration `yaml:"checkpoint_every"`   // at the latest; one at each start, too
	CheckpointRecords int           `yaml:"checkpoint_records"` // or after so many records
	// CheckpointFile gets each checkpoint at its end; empty: no file.
	CheckpointFile string `yaml:"checkpoint_file" config:"path" example:"/srv/audit/postern.checkpoints"`
	// CheckpointWebhook is sent each checkpoint by POST; empty: nobody is.
	CheckpointWebhook string `yaml:"checkpoint_webhook" example:"https://audit.example.com/postern"`
}

func (k checker) audit() {
	a := k.Audit
	k.within("audit.checkpoint_every", a.CheckpointEvery, time.Minute, 7*24*time.Hour)
	k.between("audit.checkpoint_records", a.CheckpointRecords, 1, 1_000_000)
	if a.CheckpointWebhook != "" {
		k.endpointSaying("audit.checkpoint_webhook", a.CheckpointWebhook, addressHints{
			complete: "use the complete URL, for example https://audit.example.com/postern",
			user:     "remove it: put what admits the server into the path, or admit its address",
			https:    "use https, because whoever forges the answer hides that checkpoints do not arrive; http is only for localhost",
		})
	}
}
