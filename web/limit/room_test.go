package limit

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// hold has n connections arrive from an address and be answered without an end.
func (r *room) hold(n int, from string) {
	r.t.Helper()
	for i := range n {
		name := fmt.Sprint(from, "/", len(r.raw), "/", i)
		if !r.come(name, from) {
			r.t.Fatalf("connection %d from %s is refused", i, from)
		}
		r.state(name, http.StateActive)
	}
}

// TestWhoHasManyTakesNoFirstPlace: two addresses have all places, and come again for
// the one that a newcomer got, before it has said anything.
func TestWhoHasManyTakesNoFirstPlace(t *testing.T) {
	r := newRoom(t, &Connections{Most: 20, OfOne: 10})
	r.hold(10, "192.0.2.1:1")
	r.hold(10, "192.0.2.2:1")
	if !r.come("newcomer", "192.0.2.3:1") {
		t.Fatal("a newcomer is refused")
	}
	for _, from := range []string{"192.0.2.1:1", "192.0.2.2:1"} {
		r.come("again from "+from, from)
		if r.raw["newcomer"].closed {
			t.Fatalf("%s, which has many, takes the first place of another address", from)
		}
	}
	r.state("newcomer", http.StateActive)
	if !r.come("second", "192.0.2.3:1") || !r.come("other", "192.0.2.4:1") || r.raw["newcomer"].closed {
		t.Error("those who have few do not get in")
	}
}

// TestNewcomersDoNotPushEachOtherOut while one address has most places.
func TestNewcomersDoNotPushEachOtherOut(t *testing.T) {
	r := newRoom(t, &Connections{Most: 32, OfOne: 16})
	r.hold(16, "192.0.2.1:1")
	r.hold(16, "192.0.2.2:1")
	for i := range 8 {
		r.come(fmt.Sprint(i), fmt.Sprintf("192.0.2.%d:1", 10+i))
	}
	if s := r.list.Stats(); s.Cut < 7 || s.EvictedOfAll+s.RefusedOfAll != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestQuietOnesOfWhoHasMostGoFirst, however long those of others have been quiet, and
// an address gives up one of its own rather than one of who has less, or as many.
func TestQuietOnesOfWhoHasMostGoFirst(t *testing.T) {
	r := newRoom(t, &Connections{Most: 5})
	r.come("old", "192.0.2.1:1")
	for _, name := range []string{"a", "b", "c"} {
		r.come(name, "192.0.2.2:1")
	}
	r.come("d", "192.0.2.3:1")
	r.come("e", "192.0.2.3:1") // three of .2 and two of .3
	r.closed("a")
	r.come("f", "192.0.2.2:1")
	r.closed("a", "b")
	r.come("g", "192.0.2.4:1") // c has been quiet for longest of those of who has two
	r.closed("a", "b", "c")
	r.come("h", "192.0.2.2:1")
	r.closed("a", "b", "c", "f")
	if s := r.list.Stats(); s.Open != 5 || s.EvictedOfAll != 4 || r.list.quiet.Load() != 5 {
		t.Errorf("got %+v, %d quiet", s, r.list.quiet.Load())
	}
}

// TestAnExemptAddressLeavesHalf: its connections are those of many people, but it has
// no claim to all places.
func TestAnExemptAddressLeavesHalf(t *testing.T) {
	const proxy, other, direct = "10.0.0.7:1", "10.0.0.8:1", "192.0.2.1:1"
	r := newRoom(t, &Connections{Most: 20, OfOne: 10, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	r.hold(20, proxy)
	got := r.come("direct", direct)
	r.hold(1, proxy) // two places were made free at once
	if !got || r.come("again", proxy) || r.raw["direct"].closed {
		t.Error("an exempt address keeps all places")
	}
	if !r.come("other", other) || r.raw["direct"].closed {
		t.Error("another exempt address has no place, or takes that of who has one")
	}
	r = newRoom(t, &Connections{Most: 20, OfOne: 10, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	r.hold(10, proxy)
	r.hold(10, direct)
	for i := range 6 { // direct ones give way until they are four
		r.come(fmt.Sprint("other", i), fmt.Sprintf("192.0.2.%d:1", 2+i))
	}
	r.come("proxied", other) // quiet, and as if of an address of its own
	if s := r.list.Stats(); s.Cut != 6 || s.EvictedOfAll != 1 || !r.raw["other0"].closed || r.raw["other1"].closed {
		t.Errorf("got %+v", s)
	}
	if n := len(r.list.exempted.most().conns); n != 10 {
		t.Errorf("an exempt address with half of the places has %d, want 10", n)
	}
}

// TestThereIsNoSearchForWhoIsRefused: that costs the same with many connections as with few.
func TestThereIsNoSearchForWhoIsRefused(t *testing.T) {
	refused := func(most int) time.Duration {
		r := newRoom(t, &Connections{Most: most})
		for i := range most {
			r.hold(1, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 1).String())
		}
		c, least := &fakeConn{from: "198.51.100.1:1"}, time.Hour
		for range 50 {
			begun := time.Now()
			for range 20 {
				if r.list.admit(c) != nil {
					t.Fatal("there is room")
				}
			}
			least = min(least, time.Since(begun))
		}
		return least
	}
	few, many := refused(64), refused(4096)
	if many > 8*few+20*time.Microsecond {
		t.Errorf("20 refusals cost %v with 4096 connections, %v with 64", many, few)
	}
}

// TestQuietOnesAreCountedToTheEnd has connections fall quiet while they are closed for others.
func TestQuietOnesAreCountedToTheEnd(t *testing.T) {
	l := &Connections{Most: 16, OfOne: 8, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			from := []string{"192.0.2.1:1", "192.0.2.2:1", "10.0.0.7:1", fmt.Sprintf("192.0.2.%d:1", 10+i)}[i%4]
			for range 500 {
				var held []net.Conn
				for range 5 {
					if c := l.admit(&fakeConn{from: from}); c != nil {
						held = append(held, c)
					}
				}
				for n, c := range held {
					l.State(c, http.StateActive)
					if n%2 == 0 {
						l.State(c, http.StateIdle)
					}
					_ = c.Close()
				}
			}
		})
	}
	all.Wait()
	if s := l.Stats(); s.Open != 0 || l.quiet.Load() != 0 || l.limited.most() != nil || l.exempted.most() != nil || len(l.limited.of) > 0 {
		t.Errorf("after all have gone: %+v, %d quiet", s, l.quiet.Load())
	}
}

// TestIdleOnesOfManyAddressesKeepNobodyOut: a browser gets all its connections.
func TestIdleOnesOfManyAddressesKeepNobodyOut(t *testing.T) {
	r := newRoom(t, &Connections{Most: 26, OfOne: 13})
	for i := range 40 {
		r.come(fmt.Sprint(i), fmt.Sprintf("192.0.2.%d:1", i))
	}
	r.hold(few, "198.51.100.1:1")
	if r.come("more", "198.51.100.1:1") || r.list.Stats().RefusedOfAll != 1 {
		t.Error("who has many takes the place of who has one")
	}
}
