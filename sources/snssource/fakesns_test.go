package snssource_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	topicARN = "arn:aws:sns:eu-west-1:123456789012:news"
	snsHost  = "https://sns.eu-west-1.amazonaws.com"
	certURL  = snsHost + "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
	caURL    = "http://crt.authority.test/issuer.cer"
)

// The keys of all fakes: to make one takes long.
var keys = sync.OnceValue(func() (k struct{ root, issuer, signer *rsa.PrivateKey }) {
	for _, key := range []**rsa.PrivateKey{&k.root, &k.issuer, &k.signer} {
		made, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		*key = made
	}
	return k
})

// fakeSNS is what is behind a Source's Transport: SNS's hosts and an authority
// of its own. Answers are by URL; others are 404.
type fakeSNS struct {
	Roots  *x509.CertPool
	Issuer *x509.Certificate
	Leaf   *x509.Certificate

	mu      sync.Mutex
	answers map[string]func(*http.Request) (*http.Response, error)
	asked   []string
}

// newSNS returns one whose certificate is as SNS's, save what change changes.
func newSNS(t testing.TB, change func(leaf *x509.Certificate)) *fakeSNS {
	t.Helper()
	root := issue(t, authority("root"), nil, &keys().root.PublicKey, keys().root)
	issuer := issue(t, authority("issuer"), root, &keys().issuer.PublicKey, keys().root)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(3),
		Subject:               pkix.Name{CommonName: "sns.amazonaws.com"},
		DNSNames:              []string{"sns.amazonaws.com"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IssuingCertificateURL: []string{caURL},
	}
	if change != nil {
		change(template)
	}
	s := &fakeSNS{Roots: x509.NewCertPool(), Issuer: issuer, answers: map[string]func(*http.Request) (*http.Response, error){}}
	s.Leaf = issue(t, template, issuer, &keys().signer.PublicKey, keys().issuer)
	s.Roots.AddCert(root)
	s.Answer(certURL, http.StatusOK, toPEM(s.Leaf))
	s.Answer(caURL, http.StatusOK, issuer.Raw)
	return s
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              time.Now().Add(3 * 365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
}

// issue returns the certificate signed by parent, or by itself.
func issue(t testing.TB, cert, parent *x509.Certificate, key *rsa.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = cert
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key, signer)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made
}

func toPEM(certs ...*x509.Certificate) []byte {
	var file []byte
	for _, c := range certs {
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return file
}

// Answer answers requests for a URL.
func (s *fakeSNS) Answer(url string, status int, body []byte, header ...string) {
	s.Handle(url, func(*http.Request) (*http.Response, error) { return response(status, body, header...), nil })
}

func (s *fakeSNS) Handle(url string, answer func(*http.Request) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[url] = answer
}

func response(status int, body []byte, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(bytes.NewReader(body))}
}

// RoundTrip answers r.
func (s *fakeSNS) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.String())
	answer := s.answers[r.URL.String()]
	s.mu.Unlock()
	if answer == nil {
		return response(http.StatusNotFound, nil), nil
	}
	return answer(r)
}

// Asked returns the URLs of all requests.
func (s *fakeSNS) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// message is what SNS posts, before it is signed.
type message map[string]any

// notify returns a notification, as SNS makes it now.
func notify(text string) message {
	return message{
		"Type": "Notification", "MessageId": "message-1", "TopicArn": topicARN, "Message": text,
		"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2", "SigningCertURL": certURL,
		"UnsubscribeURL": snsHost + "/?Action=Unsubscribe&SubscriptionArn=" + topicARN + ":1",
	}
}

// ask returns a SubscriptionConfirmation.
func ask() message {
	return notify("You have chosen to subscribe.\nVisit the SubscribeURL.").with(
		"Type", "SubscriptionConfirmation", "Token", "secret", "SubscribeURL", subscribeURL, "UnsubscribeURL", nil)
}

const subscribeURL = snsHost + "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "&Token=secret"

// with returns m with fields of other values; nil takes a field away.
func (m message) with(pairs ...any) message {
	m = maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		if pairs[i+1] == nil {
			delete(m, name)
			continue
		}
		m[name] = pairs[i+1]
	}
	return m
}

// canonical is the text that SNS signs, by its documentation.
func (m message) canonical() []byte {
	fields := "Message MessageId Subject Timestamp TopicArn Type"
	if m["Type"] != "Notification" {
		fields = "Message MessageId SubscribeURL Timestamp Token TopicArn Type"
	}
	var b strings.Builder
	for _, name := range strings.Fields(fields) {
		if v, ok := m[name]; ok {
			fmt.Fprintf(&b, "%s\n%s\n", name, v)
		}
	}
	return []byte(b.String())
}

// signed returns m as SNS posts it, with its signature.
func (m message) signed(t testing.TB) []byte {
	t.Helper()
	hash, sum := crypto.SHA256, sha256.Sum256(m.canonical())
	digest := sum[:]
	if m["SignatureVersion"] == "1" {
		sum := sha1.Sum(m.canonical())
		hash, digest = crypto.SHA1, sum[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, keys().signer, hash, digest)
	require.NoError(t, err)
	return m.with("Signature", base64.StdEncoding.EncodeToString(signature)).plain(t)
}

// plain returns m as JSON.
func (m message) plain(t testing.TB) []byte {
	t.Helper()
	b, err := json.MarshalIndent(m, "", "  ")
	require.NoError(t, err)
	return b
}

// post returns a POST request as SNS makes it.
func post(body []byte) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://hooks.example.com/sns", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	r.Header.Set("X-Amz-Sns-Message-Type", "Notification")
	return r
}
