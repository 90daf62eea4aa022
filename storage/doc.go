// Package storage is the house of everything that Postern keeps: [bolt] is the
// store of one process and one file, [seal] keeps secrets closed at rest, and
// [storagetest] is the suite that every store passes. What several of them need is
// in [durable].
//
// [bolt]: https://pkg.go.dev/github.com/postern-ca/postern/storage/bolt
// [seal]: https://pkg.go.dev/github.com/postern-ca/postern/storage/seal
// [durable]: https://pkg.go.dev/github.com/postern-ca/postern/storage/durable
// [storagetest]: https://pkg.go.dev/github.com/postern-ca/postern/storage/storagetest
package storage
