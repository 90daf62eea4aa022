package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// asset is one file that pages refer to.
type asset struct {
	mediaType string
	content   []byte
	version   string // of its content
}

func newAsset(mediaType string, content []byte) asset {
	sum := sha256.Sum256(content)
	return asset{mediaType, content, hex.EncodeToString(sum[:6])}
}

// addAssets adds the files of source's folder assets, if it has one.
func (s *Site) addAssets(source fs.FS) error {
	names, err := fs.Glob(source, "assets/*.*")
	if err != nil {
		return err
	}
	for _, name := range names {
		content, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		if _, taken := s.assets[path.Base(name)]; taken {
			return fmt.Errorf("two assets are called %s", path.Base(name))
		}
		mediaType := mime.TypeByExtension(path.Ext(name))
		switch path.Ext(name) { // the same on every machine
		case ".js":
			mediaType = "text/javascript; charset=utf-8"
		case ".css":
			mediaType = "text/css; charset=utf-8"
		case ".svg":
			mediaType = "image/svg+xml"
		case ".LICENSE":
			mediaType = "text/plain; charset=utf-8"
		}
		s.assets[path.Base(name)] = newAsset(mediaType, content)
	}
	return nil
}

// logoType returns the media type of a brand's logo.
func logoType(logo []byte) string {
	if t := http.DetectContentType(logo); strings.HasPrefix(t, "image/") {
		return t
	}
	return "image/svg+xml"
}

// Assets serves GET {base}/assets/{name}. Every audience's handler that shows
// pages mounts it.
func (s *Site) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := s.assets[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.mediaType)
		h.Set("ETag", `"`+a.version+`"`)
		h.Set("Cache-Control", "public, max-age=300")
		if r.URL.Query().Get("v") == a.version {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
	})
}
