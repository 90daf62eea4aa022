//go:build !unix

package mark

const noFollow = 0
