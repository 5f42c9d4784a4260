package join

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
)

// The keys of the store, below the engine's prefix. <action>, <key>, <pos> and
// <raw> are hashes, what they are of is in the value.
//
//	e/<action>/<key>                        an entry
//	d/<hour>/<minute>/<action>-<key>.<pos>  a part with a deadline, by the minute to look at it
//	d/<hour>/<minute>/<action>-<key>        an entry to be forgotten, likewise
//	w/<action>-<key>.<pos>                  a part that waits without a deadline
//	v/<action>                              the versions of an action that run
//	x/<raw>                                 what did not decode
//	hours                                   the hours that d/ has something of
//
// A store finds what has a prefix up to a slash without looking at the rest.

// The lengths of hashes in keys.
const (
	actionLen = 8
	keyLen    = 22
)

func hashed(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:n]
}

// entryKey names an entry: "<action>/<key>".
func entryKey(action string, keyed bool, key string) string {
	return hashed(action, actionLen) + "/" + hashed(strconv.FormatBool(keyed)+key, keyLen)
}

func (e *Engine) entry(key string) string { return e.prefix + "e/" + key }

// part is the key of the part that r refers to.
func (e *Engine) part(entry string, r *ref) string {
	name := flat(entry) + "." + strconv.FormatUint(r.pos.Seq, 16) + "-" + hashed(r.pos.Log, actionLen)
	if r.bucket == 0 {
		return e.waiting() + name
	}
	return e.minute(r.bucket) + name
}

func (e *Engine) waiting() string { return e.prefix + "w/" }

func (e *Engine) hour(hour int64) string { return e.prefix + "d/" + strconv.FormatInt(hour, 10) + "/" }

func (e *Engine) minute(minute int64) string {
	return e.hour(minute/60) + strconv.FormatInt(minute, 10) + "/"
}

func (e *Engine) forgetting(minute int64, entry string) string { return e.minute(minute) + flat(entry) }

func (e *Engine) hoursKey() string { return e.prefix + "hours" }

func (e *Engine) version(action string) string { return e.prefix + "v/" + hashed(action, actionLen) }

// flat and unflat turn the slash of an entry's name into a dash and back, so that
// all of a minute is in one folder.
func flat(entry string) string { return entry[:actionLen] + "-" + entry[actionLen+1:] }

// unflat returns the entry that the last segment of a key is about, and whether
// it is a part of it.
func unflat(key string) (entry string, isPart, ok bool) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	name, _, isPart = strings.Cut(name, ".")
	if len(name) != actionLen+1+keyLen || name[actionLen] != '-' {
		return "", false, false
	}
	return name[:actionLen] + "/" + name[actionLen+1:], isPart, true
}

// bucketOf returns the minute in the key of something that is due, or zero.
func (e *Engine) bucketOf(key string) int64 {
	rest, ok := strings.CutPrefix(key, e.prefix+"d/")
	if !ok {
		return 0
	}
	_, rest, _ = strings.Cut(rest, "/")
	minute, _, _ := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(minute, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
