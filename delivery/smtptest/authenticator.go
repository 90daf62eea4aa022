package smtptest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// Token is the access token that Postfix takes by XOAUTH2.
const Token = "ya29.pLanTed-t0ken-Qz0Rw4Kk"

// startAuthenticator serves Postfix with Dovecot's protocol for authentication
// (version 1.1), for PLAIN and XOAUTH2, and returns its address.
func startAuthenticator(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go authenticate(conn)
		}
	}()
	return l.Addr().String()
}

func authenticate(conn net.Conn) {
	defer conn.Close()
	_, _ = io.WriteString(conn, "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
	in := bufio.NewScanner(conn)
	for in.Scan() {
		fields := strings.Split(in.Text(), "\t")
		switch {
		case fields[0] == "AUTH" && len(fields) > 2:
			_, response, _ := strings.Cut(in.Text(), "\tresp=")
			fmt.Fprintln(conn, verdict(fields[1], fields[2], response))
		case fields[0] == "CONT" && len(fields) > 1:
			fmt.Fprintf(conn, "FAIL\t%s\treason=invalid token\n", fields[1])
		}
	}
}

// verdict answers a request. A wrong token is answered with a challenge first, as Google specifies.
func verdict(id, mechanism, response string) string {
	said, _ := base64.StdEncoding.DecodeString(response)
	switch {
	case mechanism == "PLAIN" && string(said) == "\x00"+User+"\x00"+Password,
		mechanism == "XOAUTH2" && string(said) == "user="+User+"\x01auth=Bearer "+Token+"\x01\x01":
		return "OK\t" + id + "\tuser=" + User
	case mechanism == "XOAUTH2":
		return "CONT\t" + id + "\t" + base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"bearer"}`))
	}
	return "FAIL\t" + id + "\tuser=" + User
}
