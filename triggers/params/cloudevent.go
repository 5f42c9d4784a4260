package params

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// appendEvent appends e in the CloudEvents JSON format 1.0. The SDK's own writer
// puts JSON that was set as bytes into data_base64, and "+json" data into a
// string.
func appendEvent(buf []byte, e hearken.Event) []byte {
	c := e.Context.AsV1()
	buf = append(buf, `{"specversion":"`+event.CloudEventsVersionV1+`"`...)
	buf = appendMember(buf, "id", c.ID)
	buf = appendMember(buf, "source", c.Source.String())
	buf = appendMember(buf, "type", c.Type)
	for _, name := range [...]string{"subject", "time", "datacontenttype", "dataschema"} {
		if text := attributeOf(e, name); text != "" {
			buf = appendMember(buf, name, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Extensions)) {
		buf = appendExtension(buf, name, c.Extensions[name])
	}
	return append(appendData(buf, e), '}')
}

func appendMember(buf []byte, name, text string) []byte {
	return gjson.AppendJSONString(appendName(buf, name), text)
}

func appendName(buf []byte, name string) []byte {
	return append(gjson.AppendJSONString(append(buf, ','), name), ':')
}

// appendExtension leaves out what is of no CloudEvents type, as it would not
// have come over any transport.
func appendExtension(buf []byte, name string, v any) []byte {
	text, err := types.Format(v)
	if err != nil {
		return buf
	}
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(appendName(buf, name), v)
	case int32:
		return strconv.AppendInt(appendName(buf, name), int64(v), 10)
	default:
		return appendMember(buf, name, text)
	}
}

func appendData(buf []byte, e hearken.Event) []byte {
	data, json := e.Data(), isJSON(e)
	switch {
	case len(data) == 0:
		return buf
	case json && validJSON(data):
		return append(appendName(buf, "data"), data...)
	case !json && utf8.Valid(data):
		return appendMember(buf, "data", string(data))
	default:
		return appendMember(buf, "data_base64", base64.StdEncoding.EncodeToString(data))
	}
}
