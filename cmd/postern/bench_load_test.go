package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// eachClients runs f for 1, 8 and 32 clients.
func eachClients(b *testing.B, f func(b *testing.B, clients int)) {
	for _, n := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) { f(b, n) })
	}
}

// load does op b.N times from clients at once and reports how long each took;
// it returns operations a second.
func load(b *testing.B, clients int, op func(i int) error) float64 {
	b.Helper()
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var all sync.WaitGroup
	begin := time.Now()
	for range clients {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				t := time.Now()
				if err := op(i); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(t)
			}
		})
	}
	all.Wait()
	rate := float64(b.N) / time.Since(begin).Seconds()
	slices.Sort(took)
	b.ReportMetric(took[b.N/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[b.N*99/100].Seconds()*1000, "p99-ms")
	return rate
}

// product is load of the house's own work, with what it cost.
func (t *bench) product(b *testing.B, clients int, op func(i int) error) float64 {
	b.Helper()
	before, cpu := t.store.Stats(), processorTime()
	b.ReportAllocs()
	b.ResetTimer()
	rate := load(b, clients, op)
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(rate, "op/s")
	after := t.store.Stats()
	b.ReportMetric(float64(after.Fdatasyncs-before.Fdatasyncs)/n, "fdatasync/op")
	b.ReportMetric(float64(after.Writes-before.Writes)/n, "writes/op")
	b.ReportMetric((processorTime()-cpu).Seconds()*1e3/n, "cpu-ms/op")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse)/1e6, "heap-MB")
	return rate
}

// processorTime is what this process has used, clients included.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inParallel does f n times, 32 at once, outside of what is measured.
func inParallel(b *testing.B, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// residentMB is VmRSS of a process, in millions of bytes.
func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(b, err)
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kB float64
	if _, err := fmt.Sscan(after, &kB); err != nil {
		b.Fatal(err)
	}
	return kB * 1024 / 1e6
}
