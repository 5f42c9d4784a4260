package webhook

import "github.com/hearken-go/hearken"

// GitHub returns the Verifier of GitHub's webhooks: SHA-256 in
// X-Hub-Signature-256. The ping that GitHub sends of a new hook is answered, and
// the id of a delivery (X-GitHub-Delivery) becomes that of the event. GitHub signs
// the body only.
//
// Choose the content type application/json in GitHub: as a form, the JSON is text
// at body.payload.0. Header names are in Go's canonical form and their values are
// lists, so the pushes to a branch are
//
//	filters.All(
//		filters.Data("header.X-Github-Event.0", "push"),
//		filters.Data("body.ref", "refs/heads/main"),
//	)
//
// GitHub sends up to 25 MB, more than MaxBody and the usual bus take.
//
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func GitHub(keys ...hearken.Secret) *HMAC {
	return &HMAC{
		Keys:   keys,
		Header: "X-Hub-Signature-256",
		Prefix: "sha256=",
		ID:     Part{Header: "X-GitHub-Delivery"},
		Ping:   Ping{Part: Part{Header: "X-GitHub-Event"}, Is: "ping"},
		Mask:   []string{"X-Hub-Signature"},
	}
}
