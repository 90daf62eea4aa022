package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/postern-ca/postern/cmd/postern/safedir"
	"github.com/postern-ca/postern/issuance"
)

type keptFile struct {
	file     []byte
	password string
	serial   issuance.Serial
}

func (s *story) kept() keptFile { return keptFile{s.file, s.password, s.serial} }

// keepFiles leaves what the story was about in DIR/demo.
func (s *story) keepFiles(ctx context.Context) error {
	files := map[string][]byte{"client.p12": s.file, "password.txt": []byte(s.password + "\n")}
	for _, name := range []string{"chain.pem", "root.pem", "crl-bundle.pem"} {
		status, _, body, err := s.do(ctx, s.client, http.MethodGet, s.h.cfg.Plain.URL+"/pki/"+name, "", nil)
		if err != nil || status != http.StatusOK {
			return errors.Join(err, fmt.Errorf("fetching %s was answered with %d", name, status))
		}
		files[name] = body
	}
	if err := s.write(files); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%-13s %s\n", "kept", filepath.Join(s.data, "demo"))
	return nil
}

func (s *story) write(files map[string][]byte) error {
	dir := filepath.Join(s.data, "demo")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	root, err := safedir.Open(dir)
	if err != nil {
		return err
	}
	for name, data := range files {
		file, err := safedir.File(root, name, os.O_WRONLY|os.O_TRUNC, 0o600)
		if err == nil {
			_, err = file.Write(data)
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			return errors.Join(fmt.Errorf("keeping %s: %w", name, err), root.Close())
		}
	}
	return root.Close()
}
