// Package storage is the house of everything that Postern keeps: [bolt] is the
// store of one process and one file, [seal] keeps secrets closed at rest, and
// [storagetest] is the suite that every store passes.
//
// [bolt]: https://pkg.go.dev/github.com/postern-ca/postern/storage/bolt
// [seal]: https://pkg.go.dev/github.com/postern-ca/postern/storage/seal
// [storagetest]: https://pkg.go.dev/github.com/postern-ca/postern/storage/storagetest
package storage
