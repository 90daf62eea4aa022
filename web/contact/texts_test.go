package contact

import (
	"testing"

	"github.com/postern-ca/postern/web/page/pagetest"
)

func TestTexts(t *testing.T) { pagetest.Texts(t, files) }
