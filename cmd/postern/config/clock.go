package config

import (
	"net"
	"strings"
	"time"
)

// Clock says how the machine's clock is checked.
type Clock struct {
	// Check are time servers (NTP) that are asked when the clock has jumped, host or host:port.
	Check []string `yaml:"check" example:"[ntp1.example.com, ntp2.example.com, ntp3.example.com]"`
	// MaxDowntime is how long the machine may have been off without anybody asking.
	MaxDowntime time.Duration `yaml:"max_downtime"`
}

func (k checker) clock() {
	for _, server := range k.Clock.Check {
		host, port := server, "123"
		if h, p, err := net.SplitHostPort(server); err == nil {
			host, port = h, p
		}
		_, err := net.LookupPort("udp", port)
		if host == "" || err != nil || strings.ContainsAny(host, "/ \t@?#") ||
			strings.Contains(host, ":") && net.ParseIP(strings.Trim(host, "[]")) == nil {
			k.say("clock.check", quoted(server)+" is not the address of a time server",
				"give names or addresses, with a port if it is not 123, for example [ntp1.example.com, 192.0.2.1:1123]")
		}
	}
	if k.Clock.MaxDowntime < 0 {
		k.say("clock.max_downtime", "is negative", "set it to how long the machine may be off, for example 24h")
	}
}
