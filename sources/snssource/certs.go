package snssource

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// certsKept is how many certificates are kept. SNS signs with one at a time.
	certsKept = 8
	// certLife is how long one is kept before it and its chain are asked for
	// again, and kept on if there is no answer.
	certLife = 24 * time.Hour
	// failureLife is how long what could not be had is not asked for again.
	failureLife = 5 * time.Second
	// fetchesAtOnce is how many different certificates may be waited for.
	fetchesAtOnce = 8
)

// certificates has the certificates that SNS signs a topic's messages with.
type certificates struct {
	topic     topic
	transport http.RoundTripper
	roots     *x509.CertPool
	issuers   *x509.CertPool
	turn      chan struct{} // one place: who has it fetches

	mu    sync.Mutex
	files map[string]*certFile // by URL
}

// certFile is a certificate, or why there is none, or one that is being fetched.
type certFile struct {
	done  chan struct{} // closed when the rest is set
	until time.Time     // when it is to be forgotten
	cert  *x509.Certificate
	key   *rsa.PublicKey
	err   error

	// good is the certificate that is being asked for again. It holds as long as
	// nobody says that it does not, and as its dates do: who keeps SNS's host, or
	// the one place to fetch, busy keeps no message out. Nil: none was had.
	// certificates.mu guards it.
	good *certFile
}

func newCertificates(t topic, s *Source) *certificates {
	return &certificates{
		topic:     t,
		transport: s.Transport,
		roots:     s.Roots,
		issuers:   s.Issuers,
		turn:      make(chan struct{}, 1),
		files:     map[string]*certFile{},
	}
}

// key returns the key of the certificate at a URL, of which it was not yet
// asked whether it is SNS's.
func (c *certificates) key(ctx context.Context, address string) (*rsa.PublicKey, error) {
	if !c.isOurs(address) {
		return nil, unauthorized("the SigningCertURL %.300q is not %s", address, c.prefix()+"<hex>.pem")
	}
	f, mine, err := c.file(address)
	if err != nil {
		return nil, err
	}
	if mine {
		c.fill(ctx, f, address)
	} else if err := f.wait(ctx); err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.key, inDate(f.cert)
}

// wait waits until another request has fetched f.
func (f *certFile) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return later("the signing certificate is not there yet", ctx.Err())
	}
}

func (c *certificates) prefix() string {
	return "https://" + c.topic.host() + "/SimpleNotificationService-"
}

// isOurs reports whether address is exactly what SNS's certificates are at: no
// parser's view of what else an URL may hold is asked.
func (c *certificates) isOurs(address string) bool {
	name, ok := strings.CutPrefix(address, c.prefix())
	if !ok {
		return false
	}
	name, ok = strings.CutSuffix(name, ".pem")
	return ok && name != "" && len(name) <= 128 && strings.Trim(name, "0123456789abcdef") == ""
}

// file returns what is known of the certificate at a URL; mine says that it is
// the caller's to fill.
func (c *certificates) file(address string) (f *certFile, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.files[address]
	switch {
	case known == nil:
	case !known.fetched() && known.good != nil:
		return known.good, false, nil
	case !known.stale():
		return known, false, nil
	case known.err != nil || inDate(known.cert) != nil:
		known = nil
	}
	switch err := c.makeRoom(); {
	case err != nil && known != nil:
		return known, false, nil
	case err != nil:
		return nil, false, err
	}
	f = &certFile{done: make(chan struct{}), good: known}
	c.files[address] = f
	return f, true, nil
}

// stale reports whether f is to be forgotten. What is being fetched is not.
func (f *certFile) stale() bool { return f.fetched() && !time.Now().Before(f.until) }

func (f *certFile) fetched() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// makeRoom forgets failures that are stale, every one once there are many, what
// has expired, and of many good certificates the oldest. Anybody can name certificates that are
// not there; those never put out one that is.
func (c *certificates) makeRoom() error {
	var good []string
	waiting, failures := 0, 0
	for address, f := range c.files {
		switch {
		case !f.fetched():
			waiting++
		case f.stale() && (f.err != nil || inDate(f.cert) != nil):
			delete(c.files, address)
		case f.err != nil:
			failures++
		default:
			good = append(good, address)
		}
	}
	if waiting == fetchesAtOnce {
		return later("too many signing certificates are waited for", nil)
	}
	if failures >= fetchesAtOnce {
		for address, f := range c.files {
			if f.fetched() && f.err != nil {
				delete(c.files, address)
			}
		}
	}
	if len(good) >= certsKept {
		delete(c.files, slices.MinFunc(good, func(a, b string) int { return c.files[a].until.Compare(c.files[b].until) }))
	}
	return nil
}

// fill fetches f, one at a time.
func (c *certificates) fill(ctx context.Context, f *certFile, address string) {
	f.err = later("the signing certificate could not be had", nil) // if the Transport panics
	defer close(f.done)
	c.turn <- struct{}{} // each of at most fetchesAtOnce ends by its timeout
	defer func() { <-c.turn }()
	ctx, cancel := bounded(ctx)
	defer cancel()
	f.cert, f.key, f.err = c.get(ctx, address)
	life := certLife
	if f.err != nil {
		life = failureLife
		c.keepGood(f)
	}
	f.until = time.Now().Add(life)
	c.mu.Lock()
	defer c.mu.Unlock()
	f.good = nil
}

// keepGood gives f, which could not be had now, what was had before.
func (c *certificates) keepGood(f *certFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.good != nil && refusalOf(f.err).status == http.StatusServiceUnavailable && inDate(f.good.cert) == nil {
		f.cert, f.key, f.err = f.good.cert, f.good.key, nil
	}
}

// get fetches the certificate at a URL and proves that it is SNS's.
func (c *certificates) get(ctx context.Context, address string) (*x509.Certificate, *rsa.PublicKey, error) {
	file, err := fetch(ctx, c.transport, address)
	var status statusError
	switch {
	case errors.As(err, &status) && status < 500 && status != http.StatusTooManyRequests:
		return nil, nil, unauthorized("the signing certificate: SNS %w", err)
	case err != nil:
		return nil, nil, later("the signing certificate could not be had", err)
	}
	certs, err := parsePEM(file)
	if err != nil {
		return nil, nil, unauthorized("the signing certificate: %w", err)
	}
	leaf := certs[0]
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, nil, unauthorized("the signing certificate has a key of %T", leaf.PublicKey)
	}
	if leaf.IsCA || leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, nil, unauthorized("the signing certificate is not for signing messages")
	}
	if !slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return slices.Contains(c.topic.signers(), name) }) {
		return nil, nil, unauthorized("the signing certificate was issued to %.300q, not to SNS: %q", leaf.DNSNames, c.topic.signers())
	}
	if err := inDate(leaf); err != nil {
		return nil, nil, err
	}
	return leaf, key, c.chain(ctx, leaf, certs[1:])
}

// inDate says, of a certificate that may have been kept for long, whether it
// holds now.
func inDate(cert *x509.Certificate) error {
	if now := time.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return unauthorized("the signing certificate holds from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	return nil
}

// parsePEM returns the certificates of a PEM file, at least one.
func parsePEM(file []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		block, file = pem.Decode(file)
		if block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("the file holds none")
	}
	return certs, nil
}

// maxIssuers is how many issuers above a certificate are fetched.
const maxIssuers = 3

// chain proves that leaf was issued by who is trusted. Issuers that are neither
// known nor in the file are fetched from where the certificates below say.
func (c *certificates) chain(ctx context.Context, leaf *x509.Certificate, more []*x509.Certificate) error {
	pool := x509.NewCertPool()
	if c.issuers != nil {
		pool = c.issuers.Clone()
	}
	for _, cert := range more {
		pool.AddCert(cert)
	}
	top := leaf
	for n := 0; ; n++ {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		var unknown x509.UnknownAuthorityError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &unknown), n == maxIssuers, len(top.IssuingCertificateURL) == 0:
			return unauthorized("the signing certificate: %w", err)
		}
		if top, err = c.issuer(ctx, top); err != nil {
			return later("the issuer of the signing certificate could not be had", err)
		}
		pool.AddCert(top)
	}
}

// issuer fetches the issuer of a certificate. It comes by plain HTTP as a rule:
// the signatures of the chain make it good, or not.
func (c *certificates) issuer(ctx context.Context, cert *x509.Certificate) (*x509.Certificate, error) {
	address, err := url.Parse(cert.IssuingCertificateURL[0])
	if err != nil {
		return nil, err
	}
	if s := address.Scheme; s != "http" && s != "https" || address.Port() != "" || address.User != nil || net.ParseIP(address.Hostname()) != nil {
		return nil, fmt.Errorf("it is said to be at %.300q", address)
	}
	der, err := fetch(ctx, c.transport, address.String())
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
