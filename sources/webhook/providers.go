package webhook

import "github.com/hearken-go/hearken"

// GitHub returns the Verifier of GitHub's webhooks: SHA-256 in
// X-Hub-Signature-256. The ping that GitHub sends of a new hook is answered, and
// the id of a delivery (X-GitHub-Delivery) becomes that of the event. GitHub signs
// the body only.
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
