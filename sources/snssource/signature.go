package snssource

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // what SNS signs with by default
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// maxAge is how far a message's Timestamp may be away: SNS sends again for an
// hour, and clocks differ.
const maxAge = 75 * time.Minute

// verify finds out whether SNS has sent e, of the topic t, and lately. What
// costs nothing is asked first, so that only what names the topic can have a
// certificate fetched.
func verify(ctx context.Context, t topic, certs *certificates, e *envelope) error {
	if arn := e.text("TopicArn"); arn != t.arn {
		return unauthorized("the message is of topic %.300q", arn)
	}
	if age := time.Since(e.time); age > maxAge || age < -maxAge {
		return unauthorized("the Timestamp %s is more than %v away", e.text("Timestamp"), maxAge)
	}
	hash, sum := digest(e.text("SignatureVersion"), e.signed())
	if hash == 0 {
		return unauthorized("the SignatureVersion %.40q is neither 1 nor 2", e.text("SignatureVersion"))
	}
	signature, err := base64.StdEncoding.DecodeString(e.text("Signature"))
	if err != nil {
		return unauthorized("the Signature: %w", err)
	}
	key, err := certs.key(ctx, e.text("SigningCertURL"))
	if err != nil {
		return err
	}
	if err := rsa.VerifyPKCS1v15(key, hash, sum, signature); err != nil {
		return unauthorized("the Signature: %w", err)
	}
	return nil
}

// digest returns the sum of text by the hash of a SignatureVersion, or zero.
func digest(version string, text []byte) (crypto.Hash, []byte) {
	switch version {
	case "1":
		sum := sha1.Sum(text)
		return crypto.SHA1, sum[:]
	case "2":
		sum := sha256.Sum256(text)
		return crypto.SHA256, sum[:]
	default:
		return 0, nil
	}
}
