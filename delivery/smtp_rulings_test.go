package delivery

import (
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestAnswersOfRealServers: testdata/smtp-answers.tsv has what Exchange Online,
// Gmail, SES, Postfix, Exim and others say, as their documentation, their source
// or people who met it have it.
func TestAnswersOfRealServers(t *testing.T) {
	text, err := os.ReadFile("testdata/smtp-answers.tsv")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		n++
		columns := strings.Split(line, "\t")
		if len(columns) != 4 {
			t.Fatalf("%q has %d columns", line, len(columns))
		}
		means, at, says := columns[0], phase(columns[1]), columns[3]
		code, answer, _ := strings.Cut(columns[2], " ")
		checkAnswer(t, means, at, code, strings.ReplaceAll(answer, `\n`, "\n"), says)
	}
	if n < 80 {
		t.Errorf("there are %d answers", n)
	}
}

func checkAnswer(t *testing.T, means string, at phase, code, text, says string) {
	t.Helper()
	number, err := strconv.Atoi(code)
	if err != nil {
		t.Fatal(err)
	}
	got := newAnswer(at, &textproto.Error{Code: number, Msg: text}).judge().refusal("it said")
	want := map[string]SendError{
		"passes": {}, "rarely": {RetryAfter: rareRetry}, "pauses": {Pause: true}, "hopeless": {Permanent: true},
	}[means]
	want.Message = got.Message
	if *got != want || !strings.Contains(got.Message, says) {
		t.Errorf("%s: %s %.70q\n\tgot %+v\n\twant %s (%s)", at, code, text, *got, means, says)
	}
}
