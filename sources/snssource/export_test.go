package snssource

// Parse returns the text that is signed of a message that is accepted.
func Parse(body []byte) (signed []byte, err error) {
	e, err := parseEnvelope(body)
	if err != nil {
		return nil, err
	}
	return e.signed(), nil
}

// Host and Signers are what a topic's certificates come from and are issued to.
func Host(arn string) (host string, signers []string, err error) {
	t, err := parseTopic(arn)
	if err != nil {
		return "", nil, err
	}
	return t.host(), t.signers(), nil
}
