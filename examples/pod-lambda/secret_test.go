package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// secret is the Secret of a namespace, or the error of reading it.
type secret struct {
	data  map[string]string
	err   error
	reads int
}

func (s *secret) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	s.reads++
	o := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string][]byte{}}
	for k, v := range s.data {
		o.Data[k] = []byte(v)
	}
	return o, s.err
}

func (s *secret) rotate(accessKey string) {
	s.data = map[string]string{"accesskey": accessKey + "\n", "secretkey": "of " + accessKey}
}

func TestReadsTheSecretAgainAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secret{}
		s.rotate("old")
		cache := aws.NewCredentialsCache(readSecret(s, "aws", 10*time.Minute))
		expect := func(key string, reads int) {
			t.Helper()
			c, err := cache.Retrieve(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []string{key, "of " + key, ""}, []string{c.AccessKeyID, c.SecretAccessKey, c.SessionToken})
			assert.Equal(t, reads, s.reads)
		}
		expect("old", 1)
		s.rotate("new")
		time.Sleep(10*time.Minute - time.Second)
		expect("old", 1)
		time.Sleep(time.Second)
		expect("new", 2)
	})
}

func TestSessionToken(t *testing.T) {
	s := &secret{data: map[string]string{"accesskey": "a", "secretkey": "s", "sessiontoken": "t"}}
	c, err := readSecret(s, "aws", 0)(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "t", c.SessionToken)
}

func TestSaysWhatIsWrongWithTheSecret(t *testing.T) {
	gone := errors.New("gone")
	_, err := readSecret(&secret{err: gone}, "aws", 0)(t.Context())
	assert.ErrorIs(t, err, gone)
	_, err = readSecret(&secret{data: map[string]string{"accesskey": "a"}}, "aws", 0)(t.Context())
	assert.EqualError(t, err, "the Secret default/aws lacks accesskey or secretkey")
	for _, name := range []string{"aws", "/aws", "default/", "a/b/c"} {
		_, err := inSecret(&rest.Config{}, name, 0)
		assert.ErrorContains(t, err, "want namespace/name", name)
	}
}
