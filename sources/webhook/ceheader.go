package webhook

import (
	"strings"
	"unicode/utf8"
)

// decodeHeader returns the attribute that a header's value stands for, as
// section 3.1.3.2 of the CloudEvents HTTP binding 1.0.2 says: a quoted string
// is unquoted, then one round of percent-decoding is done. What is not UTF-8
// then is refused. A percent sign that begins no escape stands for itself, since
// there are senders that do not encode.
func decodeHeader(value string) (string, bool) {
	value = unquote(value)
	if strings.IndexByte(value, '%') >= 0 {
		value = percentDecode(value)
	}
	return value, utf8.ValidString(value)
}

// unquote undoes the quoted-string of RFC 7230, section 3.2.6.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func percentDecode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
