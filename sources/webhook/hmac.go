package webhook

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearken-go/hearken"
)

// HMAC is the Verifier of requests that are signed with a shared key (RFC
// 2104). Providers differ in where the signature stands, how it is written and
// what is signed: that is what the fields say. GitHub returns one that is filled
// in.
//
// A signature over the body alone can be sent again by whoever has seen it: only
// the delivery's ID, or a time stamp that is signed too, tells such a replay.
type HMAC struct {
	// Keys are those that are accepted, at least one; several are for rotation.
	Keys []hearken.Secret
	// DecodeKey makes the bytes of a key of its text. Nil: the text itself.
	DecodeKey func(text string) ([]byte, error)

	// Header is the name of the header that holds the signature. Required.
	Header string
	// Separator parts the fields of the header where it holds several:
	// signatures of several keys, a time stamp. Space around fields is ignored.
	// Empty: it holds one signature.
	Separator string
	// Prefix is what a signature begins with, such as "sha256=". Fields without
	// it are passed over.
	Prefix string
	// Encoding is how the signature is written: base64.StdEncoding, for one.
	// Nil: in hexadecimal digits of either case.
	Encoding interface {
		DecodeString(s string) ([]byte, error)
	}
	// Hash is the hash function. Nil: sha256.New.
	Hash func() hash.Hash

	// Signed is the text that the signature is over, in parts that are written
	// one after the other. A request without one of them is refused. Nil: the
	// body.
	Signed []Part

	// Timestamp is where the time of sending is, as a number that counts from
	// 1970. It must be signed. Zero: it is not checked.
	Timestamp Part
	// Unit is what Timestamp counts. Zero: seconds.
	Unit time.Duration
	// Tolerance is how far Timestamp may be from now, either way. Zero: 5
	// minutes.
	Tolerance time.Duration

	// ID is where the sender's id of the delivery is. Zero: it sends none.
	ID Part
	// Ping tells a request by which the sender asks whether the webhook is
	// there. It must be signed as any other.
	Ping Ping
	// Mask names other headers to be masked in events, besides Header.
	Mask []string
}

// Ping tells a request that is to be answered but makes no event. The zero
// value is no request.
type Ping struct {
	// Part is the piece of the request that says so, by being equal to Is.
	Part Part
	Is   string
	// Answer is the piece that is sent back. Zero: the answer is Source.Body.
	Answer Part
}

// Validate finds mistakes in the fields.
func (h *HMAC) Validate() error {
	errs := []error{
		validateKeys("Keys", h.Keys),
		h.ID.validateID(),
		h.Ping.Part.validate("Ping.Part", h.Ping.Is != ""),
		h.Ping.Answer.validate("Ping.Answer", false),
		h.validateTime(),
	}
	if h.Ping.Is == "" && h.Ping.Part != (Part{}) {
		errs = append(errs, configError("Ping.Is", "is empty: no request would be a ping"))
	}
	if !isToken(h.Header) {
		errs = append(errs, configError("Header", "%q is no name of a header", h.Header))
	}
	for i, p := range h.Signed {
		path := fmt.Sprintf("Signed[%d]", i)
		errs = append(errs, p.validate(path, true))
		if p.Path != "" {
			errs = append(errs, configError(path+".Path", "cannot be signed before the body is trusted; sign the Body"))
		}
	}
	if h.Signed != nil && !slices.Contains(h.Signed, Part{Body: true}) {
		errs = append(errs, configError("Signed", "has no Part{Body: true}: anybody could change the body"))
	}
	for i, k := range h.Keys {
		// What the decoder says may quote the key.
		if key, err := h.decodeKey(k); k != "" && (err != nil || len(key) == 0) {
			errs = append(errs, configError(fmt.Sprintf("Keys[%d]", i), "does not decode to a key"))
		}
	}
	for i, name := range h.Mask {
		if !isToken(name) {
			errs = append(errs, configError(fmt.Sprintf("Mask[%d]", i), "%q is no name of a header", name))
		}
	}
	return errors.Join(errs...)
}

func (h *HMAC) validateTime() error {
	var errs []error
	if h.Timestamp != (Part{}) {
		errs = append(errs, h.Timestamp.validate("Timestamp", true))
		if h.Timestamp.Text != "" || h.Timestamp.Body {
			errs = append(errs, configError("Timestamp", "is no time; set one of Header, Field and Path"))
		} else if h.Timestamp.Path == "" && !slices.Contains(h.Signed, h.Timestamp) {
			errs = append(errs, configError("Timestamp", "is not among the Signed: anybody could change it"))
		}
	}
	if h.Unit < 0 || h.Unit > time.Second {
		errs = append(errs, configError("Unit", "%v is not between 0 and a second; zero means seconds", h.Unit))
	}
	if h.Tolerance < 0 {
		errs = append(errs, configError("Tolerance", "%v is negative; zero means %v", h.Tolerance, defaultTolerance))
	}
	return errors.Join(errs...)
}

// Verify accepts a request with a signature by one of the keys, sent within the
// tolerance.
func (h *HMAC) Verify(r *http.Request, body []byte) (Verified, error) {
	q := request{r: r, body: body, fields: h.fields(r)}
	signatures := h.signatures(q.fields)
	if len(signatures) == 0 {
		return Verified{}, fmt.Errorf("%w: no signature in header %s", ErrUnauthorized, h.Header)
	}
	if err := h.verifySignatures(q, signatures); err != nil {
		return Verified{}, err
	}
	if err := h.verifyTime(q); err != nil {
		return Verified{}, err
	}
	v := Verified{ID: h.ID.find(q)}
	if h.Ping.Is != "" && h.Ping.Part.find(q) == h.Ping.Is {
		v.Ping, v.Answer = true, h.Ping.Answer.find(q)
	}
	return v, nil
}

// MaskedHeaders returns the header of the signature, and Mask.
func (h *HMAC) MaskedHeaders() []string { return append([]string{h.Header}, h.Mask...) }

// fields returns the fields of the signature's header.
func (h *HMAC) fields(r *http.Request) []string {
	values := r.Header.Values(h.Header)
	if h.Separator == "" {
		return values
	}
	var fields []string
	for _, v := range values {
		fields = append(fields, strings.Split(v, h.Separator)...)
	}
	return fields
}

// signatures returns those of the fields that are signatures, decoded.
func (h *HMAC) signatures(fields []string) [][]byte {
	var signatures [][]byte
	for _, f := range fields {
		text, ok := strings.CutPrefix(strings.TrimSpace(f), h.Prefix)
		if !ok {
			continue
		}
		if s, err := h.decode(text); err == nil {
			signatures = append(signatures, s)
		}
	}
	return signatures
}

func (h *HMAC) decode(signature string) ([]byte, error) {
	if h.Encoding == nil {
		return hex.DecodeString(signature)
	}
	return h.Encoding.DecodeString(signature)
}

func (h *HMAC) decodeKey(k hearken.Secret) ([]byte, error) {
	if h.DecodeKey == nil {
		return []byte(k), nil
	}
	return h.DecodeKey(string(k))
}

// verifySignatures compares each signature with that of each key.
func (h *HMAC) verifySignatures(q request, signatures [][]byte) error {
	newHash := h.Hash
	if newHash == nil {
		newHash = sha256.New
	}
	signed := h.Signed
	if signed == nil {
		signed = []Part{{Body: true}}
	}
	good := false
	for _, k := range h.Keys {
		key, err := h.decodeKey(k)
		if err != nil || len(key) == 0 {
			continue // Validate has told; an empty key is no key
		}
		mac := hmac.New(newHash, key)
		for i, p := range signed {
			if !p.write(mac, q) {
				return fmt.Errorf("%w: part %s of what is signed is missing", ErrUnauthorized, nth(i))
			}
		}
		want := mac.Sum(nil)
		for _, s := range signatures {
			good = hmac.Equal(s, want) || good
		}
	}
	if !good {
		return fmt.Errorf("%w: the signature is by none of the keys", ErrUnauthorized)
	}
	return nil
}

const defaultTolerance = 5 * time.Minute

func (h *HMAC) verifyTime(q request) error {
	if h.Timestamp == (Part{}) {
		return nil
	}
	text := h.Timestamp.find(q)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: time stamp %.40q is no number", ErrUnauthorized, text)
	}
	unit := min(max(cmp.Or(h.Unit, time.Second), 1), time.Second)
	perSecond := int64(time.Second / unit)
	if n < 0 || n/perSecond > math.MaxUint32*1000 {
		return fmt.Errorf("%w: time stamp %.40q is out of range", ErrUnauthorized, text)
	}
	sent := time.Unix(n/perSecond, n%perSecond*int64(unit))
	off := time.Since(sent)
	if tolerance := cmp.Or(h.Tolerance, defaultTolerance); off > tolerance || off < -tolerance {
		return fmt.Errorf("%w: time stamp %s is %v from now", ErrUnauthorized, text, off.Round(time.Second))
	}
	return nil
}

// Base64Key is an HMAC.DecodeKey for keys that are given in standard base64
// behind a prefix, which may be empty or missing.
func Base64Key(prefix string) func(text string) ([]byte, error) {
	return func(text string) ([]byte, error) {
		return base64.StdEncoding.DecodeString(strings.TrimPrefix(text, prefix))
	}
}
