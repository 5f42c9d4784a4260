package filters_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the machine may have no zones

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTimeOfDay(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	tests := []struct {
		name        string
		start, stop string
		in          *time.Location
		at          string
		want        bool
	}{
		{"before", "09:00", "17:00", nil, "2026-01-05T08:59:59.999Z", false},
		{"start included", "09:00", "17:00", nil, "2026-01-05T09:00:00Z", true},
		{"last moment", "09:00", "17:00", nil, "2026-01-05T16:59:59.999Z", true},
		{"stop excluded", "09:00", "17:00", nil, "2026-01-05T17:00:00Z", false},
		{"seconds", "09:00:30", "9:00:31", nil, "2026-01-05T09:00:30.5Z", true},
		{"another offset", "09:00", "17:00", nil, "2026-01-05T09:30:00+01:00", false},
		{"across midnight, evening", "22:00", "06:00", nil, "2026-01-05T22:00:00Z", true},
		{"across midnight, morning", "22:00", "06:00", nil, "2026-01-05T05:59:59Z", true},
		{"across midnight, stop", "22:00", "06:00", nil, "2026-01-05T06:00:00Z", false},
		{"across midnight, day", "22:00", "06:00", nil, "2026-01-05T12:00:00Z", false},
		{"until midnight", "22:00", "00:00", nil, "2026-01-05T23:59:59Z", true},
		{"until midnight, midnight", "22:00", "00:00", nil, "2026-01-05T00:00:00Z", false},
		{"winter time", "09:00", "10:00", berlin, "2026-01-05T08:30:00Z", true},
		{"summer time", "09:00", "10:00", berlin, "2026-07-05T07:30:00Z", true},
		{"summer time, an hour later", "09:00", "10:00", berlin, "2026-07-05T08:30:00Z", false},
		{"before the hour that is left out", "02:00", "03:00", berlin, "2026-03-29T00:59:59Z", false},
		{"after the hour that is left out", "02:00", "03:00", berlin, "2026-03-29T01:00:00Z", false},
		{"the hour that comes twice, first", "02:00", "03:00", berlin, "2026-10-25T00:30:00Z", true},
		{"the hour that comes twice, second", "02:00", "03:00", berlin, "2026-10-25T01:30:00Z", true},
		{"after it", "02:00", "03:00", berlin, "2026-10-25T02:00:00Z", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := filters.TimeOfDay(tt.start, tt.stop, tt.in)
			assert.Equal(t, tt.want, matches(t, f, eventAt(t, tt.at)))
		})
	}
}

func TestTimeOfDayWithoutTime(t *testing.T) {
	assert.False(t, matches(t, filters.TimeOfDay("00:00", "23:59", nil), event.New()))
}
