package delivery

// twilioAccountFault tells the codes that say nothing about the recipient:
// whatever is sent meets the same fault until somebody mends it.
func twilioAccountFault(code int) bool {
	switch code {
	case 10001, 20003, 20005, 20006, 20008, // account not active, credentials, access, test credentials
		21212, 21603, 21606, 21659, 21660, // the sender
		21701, 21702, 21703, 21704, 21705: // the messaging service
		return true
	}
	return false
}

// twilioAdvice says what to do about an error of Twilio's dictionary.
func twilioAdvice(code int) string {
	switch code {
	case 20003:
		return "check sms.twilio.account_sid, and sms.twilio.auth_token or api_key and api_key_secret"
	case 10001, 20005, 20006, 20008:
		return "look at the account in Twilio's console"
	case 21212, 21603, 21606, 21659, 21660:
		return "check sms.twilio.from: it must be a sender of this account"
	case 21701, 21702, 21703, 21704, 21705:
		return "check sms.twilio.messaging_service_sid"
	case 21211, 21214, 21217, 21614:
		return "correct the contact's mobile number"
	case 21408:
		return "allow the country in Twilio's messaging geographic permissions"
	case 21610:
		return "the recipient has sent STOP: ask them to send START to the sender's number"
	case 21612:
		return "this sender does not reach the number: use another sender for its country"
	}
	return ""
}
