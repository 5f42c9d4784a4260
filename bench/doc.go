// Package bench measures Hearken beside the least that the same work can cost
// when it is written by hand, and beside its peers, in one run. See README.md.
package bench
