package config

import (
	"errors"

	"github.com/postern-ca/postern/delivery"
	"github.com/postern-ca/postern/issuance"
)

// phoneRegion refuses a value of policy.phone_region that is not a country.
func (k checker) phoneRegion() {
	if k.Rules.PhoneRegion == "" {
		return
	}
	if e, ok := errors.AsType[*issuance.Error](delivery.CheckCountry(k.Rules.PhoneRegion)); ok {
		k.say("policy.phone_region", e.Message, "give the two letters of ISO 3166-1, for example CH")
	}
}
