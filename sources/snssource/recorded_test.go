package snssource_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

const realCert = "SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"

// published returns a Source of the topic of the recorded messages, and SNS as it
// was then: it serves its certificate alone, and says where the issuer's is.
func published(t testing.TB) (*snssource.Source, *fakeSNS) {
	t.Helper()
	fake := newSNS(t, nil)
	fake.Roots = x509.NewCertPool()
	require.True(t, fake.Roots.AppendCertsFromPEM(recorded(t, "amazon-root-ca-1.pem")))
	issuer, _ := pem.Decode(recorded(t, "amazon-rsa-2048-m01.pem"))
	fake.Answer("https://sns.us-west-2.amazonaws.com/"+realCert, http.StatusOK, recorded(t, realCert))
	fake.Answer("http://crt.r2m01.amazontrust.com/r2m01.cer", http.StatusOK, issuer.Bytes)
	s := source(fake)
	s.TopicARN = "arn:aws:sns:us-west-2:131990247566:dongie-standard-topic"
	return s, fake
}

// atThatTime lets time pass until the recorded messages were sent.
func atThatTime() {
	time.Sleep(time.Until(time.Date(2026, 3, 6, 20, 0, 0, 0, time.UTC)))
}

func TestMessagesThatSNSHasReallySent(t *testing.T) {
	for _, c := range []struct {
		file, id string
	}{
		{"notification-v1.json", "c0e5a280-53c9-5a98-93bb-c0a560b3d192"},
		{"notification-v1-subject.json", "26858270-545e-5848-82a2-e05566af3dcf"},
		{"notification-v2.json", "9d2c5580-b61d-550c-8583-37a582870907"},
		{"subscription-v1.json", ""},
		{"unsubscription-v2.json", ""},
	} {
		inBubble(t, c.file, func(t *testing.T) {
			atThatTime()
			s, _ := published(t)
			client := &api{}
			s.Client = client
			rec := start(t, s)
			w := send(s, post(recorded(t, c.file)))
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			if c.id == "" {
				assert.Empty(t, rec.Events())
				return
			}
			assert.Equal(t, c.id, only(t, rec).ID())
		})
	}
}

func TestARecordedSubscriptionIsConfirmedByItsURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		atThatTime()
		s, fake := published(t)
		var m struct{ SubscribeURL string }
		decode(t, recorded(t, "subscription-v1.json"), &m)
		fake.Answer(m.SubscribeURL, http.StatusOK, []byte(confirmedXML))
		start(t, s)
		w := send(s, post(recorded(t, "subscription-v1.json")))
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		assert.Contains(t, fake.Asked(), m.SubscribeURL)
	})
}

func TestRecordedMessagesAreRefusedOnceChanged(t *testing.T) {
	for name, change := range map[string]func(m message) message{
		"message": func(m message) message { return m.with("Message", "This message uses signature version 3.") },
		"id":      func(m message) message { return m.with("MessageId", "another") },
		"time":    func(m message) message { return m.with("Timestamp", "2026-03-06T20:00:26.894Z") },
		"subject": func(m message) message { return m.with("Subject", "added") },
		"version": func(m message) message { return m.with("SignatureVersion", "1") },
		"type": func(m message) message {
			return m.with("Type", "UnsubscribeConfirmation", "Token", "t", "SubscribeURL", "u")
		},
		"signature": func(m message) message { return m.with("Signature", "AAAA") },
	} {
		inBubble(t, name, func(t *testing.T) {
			atThatTime()
			s, _ := published(t)
			rec := start(t, s)
			var m message
			decode(t, recorded(t, "notification-v2.json"), &m)
			w := send(s, post(change(m).plain(t)))
			assert.Equal(t, http.StatusUnauthorized, w.Code, w.Body)
			assert.Empty(t, rec.Attempts())
		})
	}
}

func TestARecordedMessageIsTooOldAfter75Minutes(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{74 * time.Minute, http.StatusOK}, {76 * time.Minute, http.StatusUnauthorized}} {
		inBubble(t, c.after.String(), func(t *testing.T) {
			atThatTime()
			s, _ := published(t)
			start(t, s)
			time.Sleep(c.after)
			assert.Equal(t, c.want, send(s, post(recorded(t, "notification-v2.json"))).Code)
		})
	}
}
