package snssource

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// topic is what a topic's ARN says.
type topic struct {
	arn    string
	region string
	suffix string // of the partition's hosts
}

// suffixOf returns the suffix of the hosts of a partition, or "".
func suffixOf(partition string) string {
	switch partition {
	case "aws", "aws-us-gov":
		return "amazonaws.com"
	case "aws-cn":
		return "amazonaws.com.cn"
	case "aws-eusc":
		return "amazonaws.eu"
	case "aws-iso":
		return "c2s.ic.gov"
	case "aws-iso-b":
		return "sc2s.sgov.gov"
	case "aws-iso-e":
		return "cloud.adc-e.uk"
	case "aws-iso-f":
		return "csp.hci.ic.gov"
	default:
		return ""
	}
}

const arnExample = "arn:aws:sns:eu-west-1:123456789012:news"

// parseTopic reads the ARN of a topic that an HTTP endpoint can be subscribed to.
func parseTopic(arn string) (topic, error) {
	if arn == "" {
		return topic{}, errors.New("is empty; it is the topic's ARN, such as " + arnExample)
	}
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" ||
		!matches(`[a-z]+(-[a-z0-9]+)+`, parts[3]) || !matches(`[0-9]{12}`, parts[4]) {
		return topic{}, fmt.Errorf("%q is no ARN of a topic, such as %s", arn, arnExample)
	}
	suffix := suffixOf(parts[1])
	switch {
	case suffix == "":
		return topic{}, fmt.Errorf("%q is in partition %q, whose hosts are not known here", arn, parts[1])
	case strings.HasSuffix(parts[5], ".fifo"):
		return topic{}, fmt.Errorf("%q is a FIFO topic, which SNS delivers to queues only", arn)
	case !matches(`[A-Za-z0-9_-]{1,256}`, parts[5]):
		return topic{}, fmt.Errorf("%q has %q for the topic's name", arn, parts[5])
	}
	return topic{arn: arn, region: parts[3], suffix: suffix}, nil
}

// matches reports whether the whole of s matches the expression.
func matches(expr, s string) bool {
	ok, err := regexp.MatchString(`\A(?:`+expr+`)\z`, s)
	return ok && err == nil
}

// host is the only one that certificates come from and subscriptions are
// confirmed at.
func (t topic) host() string { return "sns." + t.region + "." + t.suffix }

// signers are the names that SNS has its certificates issued to: one for the
// older regions, and the region's own in others. GovCloud has one for both of
// its regions.
func (t topic) signers() []string {
	region := t.region
	if strings.HasPrefix(region, "us-gov-") {
		region = "us-gov-west-1"
	}
	return []string{
		"sns." + t.suffix,
		t.host(),
		"sns-signing." + t.region + "." + t.suffix,
		"sns-" + region + "." + t.suffix,
	}
}
