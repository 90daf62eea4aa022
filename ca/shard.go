package ca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-ca/postern/issuance"
)

const (
	// maxShards is the most shards that an issuer's CRL is split into.
	maxShards = 1024
	// shardsFile has, one a line, every number of shards that certificates of this
	// CA may name.
	shardsFile = "crl-shards"
)

// checkShards returns an error of kind Invalid unless a CRL can be split into n
// shards; 0 is none.
func checkShards(n int) error {
	if n == 0 || n >= 2 && n <= maxShards && n&(n-1) == 0 {
		return nil
	}
	return issuance.Invalidf("ca.crl_shards", strconv.Itoa(n)+" is not a valid number of shards",
		"use a power of two between 2 and "+strconv.Itoa(maxShards)+", or 0 for none")
}

// shardName is the name of shard n of the CRL of issuer in its address. It says
// how many there are, so that an address stays true when that number changes.
func shardName(issuer string, n, of int) string {
	return issuer + "-" + strconv.Itoa(n) + "of" + strconv.Itoa(of)
}

// shardOf returns which of so many shards lists a serial number, given as its
// bytes: the number's remainder.
func shardOf(serial []byte, of int) int {
	n := 0
	for _, octet := range serial[max(0, len(serial)-2):] {
		n = n<<8 | int(octet)
	}
	return n % of // a power of two that two bytes hold: the others do not matter
}

// recordShards returns every number of shards that certificates of the CA in dir
// name, the present one included, which it writes down first: no certificate may
// ever name a shard that is not published.
func recordShards(dir string, present int) ([]int, error) {
	if err := checkShards(present); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, shardsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the numbers of CRL shards: %w", err)
	}
	var counts []int
	for field := range strings.FieldsSeq(string(data)) {
		n, err := strconv.Atoi(field)
		if err != nil || n == 0 || checkShards(n) != nil {
			return nil, damaged(dir, shardsFile+" does not contain numbers of shards", "restore it from a backup")
		}
		counts = append(counts, n)
	}
	if present == 0 || slices.Contains(counts, present) {
		return counts, nil
	}
	counts = append(counts, present)
	var lines strings.Builder
	for _, n := range counts {
		lines.WriteString(strconv.Itoa(n) + "\n")
	}
	return counts, writeFile(dir, shardsFile, []byte(lines.String()), 0o644)
}
