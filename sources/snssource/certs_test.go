package snssource_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHostsByPartition(t *testing.T) {
	for arn, want := range map[string]struct{ host, signer string }{
		topicARN:                                           {"sns.eu-west-1.amazonaws.com", "sns.amazonaws.com"},
		"arn:aws:sns:af-south-1:123456789012:t":            {"sns.af-south-1.amazonaws.com", "sns-signing.af-south-1.amazonaws.com"},
		"arn:aws-cn:sns:cn-north-1:123456789012:t":         {"sns.cn-north-1.amazonaws.com.cn", "sns-cn-north-1.amazonaws.com.cn"},
		"arn:aws-us-gov:sns:us-gov-east-1:123456789012:t":  {"sns.us-gov-east-1.amazonaws.com", "sns-us-gov-west-1.amazonaws.com"},
		"arn:aws-eusc:sns:eusc-de-east-1:123456789012:t":   {"sns.eusc-de-east-1.amazonaws.eu", "sns-signing.eusc-de-east-1.amazonaws.eu"},
		"arn:aws-iso:sns:us-iso-east-1:123456789012:t":     {"sns.us-iso-east-1.c2s.ic.gov", "sns-us-iso-east-1.c2s.ic.gov"},
		"arn:aws-iso-b:sns:us-isob-east-1:123456789012:t":  {"sns.us-isob-east-1.sc2s.sgov.gov", "sns-us-isob-east-1.sc2s.sgov.gov"},
		"arn:aws-iso-e:sns:eu-isoe-west-1:123456789012:t":  {"sns.eu-isoe-west-1.cloud.adc-e.uk", "sns-signing.eu-isoe-west-1.cloud.adc-e.uk"},
		"arn:aws-iso-f:sns:us-isof-south-1:123456789012:t": {"sns.us-isof-south-1.csp.hci.ic.gov", "sns-signing.us-isof-south-1.csp.hci.ic.gov"},
	} {
		host, signers, err := snssource.Host(arn)
		require.NoError(t, err)
		assert.Equal(t, want.host, host)
		assert.Contains(t, signers, want.signer)
	}
}

func TestCertificatesAreProved(t *testing.T) {
	later := func(fake *fakeSNS, url string, status int, body []byte, header ...string) {
		fake.Answer(url, status, body, header...)
	}
	for _, c := range []struct {
		name   string
		leaf   func(leaf *x509.Certificate)
		change func(t *testing.T, fake *fakeSNS, s *snssource.Source)
		want   int
	}{
		{name: "as SNS serves it", want: http.StatusOK},
		{name: "of a region", leaf: func(l *x509.Certificate) { l.DNSNames = []string{"sns-signing.eu-west-1.amazonaws.com"} }, want: http.StatusOK},
		{name: "with its issuer in the file", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusOK, toPEM(fake.Leaf, fake.Issuer))
			later(fake, caURL, http.StatusNotFound, nil)
		}, want: http.StatusOK},
		{name: "of a known issuer", change: func(_ *testing.T, fake *fakeSNS, s *snssource.Source) {
			s.Issuers = x509.NewCertPool()
			s.Issuers.AddCert(fake.Issuer)
			later(fake, caURL, http.StatusNotFound, nil)
		}, want: http.StatusOK},
		{name: "of another region", leaf: func(l *x509.Certificate) { l.DNSNames = []string{"sns-signing.eu-west-2.amazonaws.com"} }, want: http.StatusUnauthorized},
		{name: "of a wildcard", leaf: func(l *x509.Certificate) { l.DNSNames = []string{"*.amazonaws.com"} }, want: http.StatusUnauthorized},
		{name: "of someone else", leaf: func(l *x509.Certificate) { l.DNSNames = []string{"evil.example"} }, want: http.StatusUnauthorized},
		{name: "of a common name only", leaf: func(l *x509.Certificate) { l.DNSNames = nil }, want: http.StatusUnauthorized},
		{name: "expired", leaf: func(l *x509.Certificate) { l.NotAfter = time.Now().Add(-time.Minute) }, want: http.StatusUnauthorized},
		{name: "not yet valid", leaf: func(l *x509.Certificate) { l.NotBefore = time.Now().Add(time.Minute) }, want: http.StatusUnauthorized},
		{name: "of an authority", leaf: func(l *x509.Certificate) {
			l.IsCA, l.BasicConstraintsValid, l.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
		}, want: http.StatusUnauthorized},
		{name: "for something else than signatures", leaf: func(l *x509.Certificate) { l.KeyUsage = x509.KeyUsageKeyEncipherment }, want: http.StatusUnauthorized},
		{name: "for whatever one likes", leaf: func(l *x509.Certificate) { l.KeyUsage, l.ExtKeyUsage = 0, nil }, want: http.StatusOK},
		{name: "of an unknown root", change: func(_ *testing.T, _ *fakeSNS, s *snssource.Source) { s.Roots = x509.NewCertPool() }, want: http.StatusUnauthorized},
		{name: "of an issuer that nobody names", leaf: func(l *x509.Certificate) { l.IssuingCertificateURL = nil }, want: http.StatusUnauthorized},
		{name: "of an issuer by address", leaf: func(l *x509.Certificate) { l.IssuingCertificateURL = []string{"http://169.254.169.254/latest"} }, want: http.StatusServiceUnavailable},
		{name: "of an issuer with a port", leaf: func(l *x509.Certificate) { l.IssuingCertificateURL = []string{"http://localhost:8080/"} }, want: http.StatusServiceUnavailable},
		{name: "of an issuer in a file", leaf: func(l *x509.Certificate) { l.IssuingCertificateURL = []string{"file:///etc/passwd"} }, want: http.StatusServiceUnavailable},
		{name: "of an issuer that is away", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) { later(fake, caURL, http.StatusNotFound, nil) }, want: http.StatusServiceUnavailable},
		{name: "of an issuer that is none", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) { later(fake, caURL, http.StatusOK, []byte("x")) }, want: http.StatusServiceUnavailable},
		{name: "of an issuer that did not sign", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, caURL, http.StatusOK, fake.Leaf.Raw)
		}, want: http.StatusUnauthorized},
		{name: "not there", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) { later(fake, certURL, http.StatusNotFound, nil) }, want: http.StatusUnauthorized},
		{name: "moved", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusFound, nil, "Location", "https://evil.example/cert.pem")
			later(fake, "https://evil.example/cert.pem", http.StatusOK, toPEM(fake.Leaf))
		}, want: http.StatusUnauthorized},
		{name: "moved on the same host", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusMovedPermanently, nil, "Location", "/SimpleNotificationService-77.pem")
			later(fake, snsHost+"/SimpleNotificationService-77.pem", http.StatusOK, toPEM(fake.Leaf))
		}, want: http.StatusUnauthorized},
		{name: "SNS in trouble", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusBadGateway, nil)
		}, want: http.StatusServiceUnavailable},
		{name: "SNS throttles", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusTooManyRequests, nil)
		}, want: http.StatusServiceUnavailable},
		{name: "no connection", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			fake.Handle(certURL, func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") })
		}, want: http.StatusServiceUnavailable},
		{name: "huge", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusOK, append(toPEM(fake.Leaf), bytes.Repeat([]byte("\n"), 64<<10)...))
		}, want: http.StatusServiceUnavailable},
		{name: "no PEM", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusOK, []byte("x"))
		}, want: http.StatusUnauthorized},
		{name: "no certificate", change: func(_ *testing.T, fake *fakeSNS, _ *snssource.Source) {
			later(fake, certURL, http.StatusOK, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
		}, want: http.StatusUnauthorized},
		{name: "of another kind of key", change: func(t *testing.T, fake *fakeSNS, _ *snssource.Source) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			der, err := x509.CreateCertificate(rand.Reader, fake.Leaf, fake.Issuer, &key.PublicKey, keys().issuer)
			require.NoError(t, err)
			cert, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			later(fake, certURL, http.StatusOK, toPEM(cert))
		}, want: http.StatusUnauthorized},
	} {
		inBubble(t, c.name, func(t *testing.T) {
			fake := newSNS(t, c.leaf)
			s := source(fake)
			if c.change != nil {
				c.change(t, fake, s)
			}
			rec := start(t, s)
			w := send(s, post(notify("x").signed(t)))
			assert.Equal(t, c.want, w.Code, w.Body)
			assert.Equal(t, c.want == http.StatusOK, len(rec.Events()) == 1)
			assert.NotContains(t, fake.Asked(), "https://evil.example/cert.pem")
			assert.Equal(t, c.want == http.StatusServiceUnavailable, w.Header().Get("Retry-After") != "")
		})
	}
}

func count(urls []string, url string) int {
	n := 0
	for _, u := range urls {
		if u == url {
			n++
		}
	}
	return n
}

func TestACertificateIsFetchedOnceHoweverManyWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		fake.Handle(certURL, func(*http.Request) (*http.Response, error) {
			time.Sleep(3 * time.Second)
			return response(http.StatusOK, toPEM(fake.Leaf)), nil
		})
		s := source(fake)
		rec := start(t, s)
		began := time.Now()
		var sent sync.WaitGroup
		for i := range 100 {
			sent.Go(func() {
				body := notify("x").with("MessageId", fmt.Sprint("message-", i)).signed(t)
				assert.Equal(t, http.StatusOK, send(s, post(body)).Code)
			})
		}
		sent.Wait()
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Len(t, rec.Events(), 100)
		assert.Equal(t, []string{certURL, caURL}, fake.Asked())
	})
}

func TestACertificateThatNeverComesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		fake.Handle(certURL, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		s := source(fake)
		start(t, s)
		began := time.Now()
		w := send(s, post(notify("x").signed(t)))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, 10*time.Second, time.Since(began))

		// It is asked for again, but not at once.
		fake.Answer(certURL, http.StatusOK, toPEM(fake.Leaf))
		assert.Equal(t, http.StatusServiceUnavailable, send(s, post(notify("x").signed(t))).Code)
		time.Sleep(5 * time.Second)
		assert.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
	})
}

func TestWhoLeavesDoesNotEndTheFetchForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		fake.Handle(certURL, func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(3 * time.Second):
				return response(http.StatusOK, toPEM(fake.Leaf)), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		s := source(fake)
		start(t, s)
		codes := make(chan int, 2)
		for _, patience := range []time.Duration{time.Second, time.Minute} {
			ctx, cancel := newContext(t, patience)
			defer cancel()
			r := post(notify("x").signed(t)).WithContext(ctx)
			go func() { codes <- send(s, r).Code }()
			synctest.Wait() // so the first one fetches
		}
		assert.Equal(t, http.StatusOK, <-codes)
		assert.Equal(t, http.StatusOK, <-codes)
		assert.Equal(t, 1, count(fake.Asked(), certURL))
	})
}

func TestWhoWaitsForAnothersFetchMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		fake.Handle(certURL, func(*http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			return response(http.StatusOK, toPEM(fake.Leaf)), nil
		})
		s := source(fake)
		start(t, s)
		first := make(chan int)
		r := post(notify("x").signed(t))
		go func() { first <- send(s, r).Code }()
		synctest.Wait()
		ctx, cancel := newContext(t, time.Second)
		defer cancel()
		began := time.Now()
		assert.Equal(t, http.StatusServiceUnavailable, send(s, post(notify("x").signed(t)).WithContext(ctx)).Code)
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, http.StatusOK, <-first)
	})
}

func TestCertificatesAreKeptForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		fetches := func(after time.Duration) int {
			time.Sleep(after)
			require.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
			return count(fake.Asked(), certURL)
		}
		assert.Equal(t, 1, fetches(0))
		assert.Equal(t, 1, fetches(24*time.Hour-time.Second))
		assert.Equal(t, 2, fetches(time.Second))
	})
}

// What was good holds on while SNS cannot be asked again, and no longer.
func TestACertificateIsKeptOnWhileItCannotBeHad(t *testing.T) {
	gone := func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }
	inBubble(t, "SNS is away", func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		code := func(after time.Duration) int {
			time.Sleep(after)
			return send(s, post(notify("x").signed(t))).Code
		}
		require.Equal(t, http.StatusOK, code(0))
		fake.Handle(certURL, gone)
		assert.Equal(t, http.StatusOK, code(25*time.Hour))
		assert.Equal(t, http.StatusOK, code(4*time.Second))
		assert.Equal(t, 2, count(fake.Asked(), certURL))
		assert.Equal(t, http.StatusOK, code(time.Second))
		assert.Equal(t, 3, count(fake.Asked(), certURL), "it is asked again and again")
		assert.Nil(t, s.Report().Trouble)
		assert.Equal(t, http.StatusServiceUnavailable, code(30*24*time.Hour), "not beyond its dates")
	})
	inBubble(t, "SNS has it no more", func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		require.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		fake.Answer(certURL, http.StatusNotFound, nil)
		time.Sleep(25 * time.Hour)
		assert.Equal(t, http.StatusUnauthorized, send(s, post(notify("x").signed(t))).Code)
	})
	inBubble(t, "only one waits for the new answer", func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		require.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		fake.Handle(certURL, func(*http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			return response(http.StatusOK, toPEM(fake.Leaf)), nil
		})
		time.Sleep(25 * time.Hour)
		first := make(chan int)
		r := post(notify("x").signed(t))
		go func() { first <- send(s, r).Code }()
		synctest.Wait()
		began := time.Now()
		assert.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		assert.Zero(t, time.Since(began))
		assert.Equal(t, http.StatusOK, <-first)
	})
}

// Whoever knows the topic can name certificates that are not there, so as to keep
// the one place busy where they are fetched.
func TestInventedCertificatesKeepNoMessageOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		require.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		time.Sleep(25 * time.Hour)
		codes := make(chan int, 8)
		for i := range 8 {
			address := fmt.Sprintf("%s/SimpleNotificationService-%x.pem", snsHost, i)
			fake.Handle(address, func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
			r := post(notify("x").with("SigningCertURL", address).signed(t))
			go func() { codes <- send(s, r).Code }()
		}
		synctest.Wait()
		began := time.Now()
		assert.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		assert.Zero(t, time.Since(began))
		for range 8 {
			assert.Equal(t, http.StatusServiceUnavailable, <-codes)
		}
	})
}

func TestACertificateThatIsKeptExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, func(leaf *x509.Certificate) { leaf.NotAfter = time.Now().Add(time.Hour) })
		s := source(fake)
		start(t, s)
		require.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		time.Sleep(2 * time.Hour)
		assert.Equal(t, http.StatusUnauthorized, send(s, post(notify("x").signed(t))).Code)
	})
}

func TestCertificatesThatAreNotThereDoNotPutOutOneThatIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		require.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		for i := range 100 {
			address := fmt.Sprintf("%s/SimpleNotificationService-%x.pem", snsHost, i)
			w := send(s, post(notify("x").with("SigningCertURL", address).signed(t)))
			assert.Equal(t, http.StatusUnauthorized, w.Code)
		}
		assert.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
		assert.Equal(t, 1, count(fake.Asked(), certURL))
	})
}

func TestFailuresAreNotRememberedWithoutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		address := func(i int) string { return fmt.Sprintf("%s/SimpleNotificationService-%x.pem", snsHost, i) }
		knock := func(i int) {
			w := send(s, post(notify("x").with("SigningCertURL", address(i)).signed(t)))
			assert.Equal(t, http.StatusUnauthorized, w.Code)
		}
		for i := range 8 {
			knock(i)
		}
		knock(0)
		assert.Equal(t, 1, count(fake.Asked(), address(0)), "remembered")
		knock(8)
		knock(0)
		assert.Equal(t, 2, count(fake.Asked(), address(0)), "forgotten for others")
	})
}

func TestOfManyGoodCertificatesTheOldestGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		for i := range 9 {
			address := fmt.Sprintf("%s/SimpleNotificationService-%x.pem", snsHost, i)
			fake.Answer(address, http.StatusOK, toPEM(fake.Leaf))
			require.Equal(t, http.StatusOK, send(s, post(notify("x").with("SigningCertURL", address).signed(t))).Code)
			time.Sleep(time.Second)
		}
		address := snsHost + "/SimpleNotificationService-0.pem"
		require.Equal(t, http.StatusOK, send(s, post(notify("x").with("SigningCertURL", address).signed(t))).Code)
		assert.Equal(t, 2, count(fake.Asked(), address), "the oldest was forgotten")
		assert.Equal(t, 1, count(fake.Asked(), snsHost+"/SimpleNotificationService-8.pem"))
	})
}

func TestOneFetchAtATimeAndFewWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		var mu sync.Mutex
		var at []time.Time
		codes := make(chan int, 20)
		for i := range 20 {
			address := fmt.Sprintf("%s/SimpleNotificationService-%x.pem", snsHost, i)
			fake.Handle(address, func(*http.Request) (*http.Response, error) {
				mu.Lock()
				at = append(at, time.Now())
				mu.Unlock()
				time.Sleep(time.Second)
				return response(http.StatusNotFound, nil), nil
			})
			r := post(notify("x").with("SigningCertURL", address).signed(t))
			go func() { codes <- send(s, r).Code }()
		}
		got := map[int]int{}
		for range 20 {
			got[<-codes]++
		}
		assert.Equal(t, map[int]int{http.StatusUnauthorized: 8, http.StatusServiceUnavailable: 12}, got)
		slices.SortFunc(at, time.Time.Compare)
		for i := range at[1:] {
			assert.Equal(t, time.Second, at[i+1].Sub(at[i]))
		}
	})
}

func TestATransportThatPanicsLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		fake.Handle(certURL, func(*http.Request) (*http.Response, error) { panic("broken") })
		s := source(fake)
		start(t, s)
		assert.Panics(t, func() { send(s, post(notify("x").signed(t))) })
		fake.Answer(certURL, http.StatusOK, toPEM(fake.Leaf))
		assert.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
	})
}
