package hearken_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDeadLetterIsTheEventAndItsStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := &script{answers: []error{errBroken, hearken.Permanent(errors.New("no\nuse"))}}
		f := newFixture(hearken.Action{Name: "a", Trigger: trigger})
		f.start(t)
		f.deliver("1", func(d *bus.Delivery) { d.Event.SetExtension("tenant", "acme") })
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, f.bus.publications(), 1)
		got := f.bus.publications()[0]
		assert.Equal(t, letters(), got.Topic)
		e := got.Event
		require.NoError(t, e.Validate())
		assert.JSONEq(t, `{"id":"1"}`, string(e.Data()))
		assert.Equal(t, "order", e.Type())
		assert.Equal(t, "shop", e.Source())
		assert.NotEqual(t, "1", e.ID())
		assert.Equal(t, map[string]any{
			"tenant": "acme", "hearkenfiring": trigger.fired()[0].ID, "hearkenpipeline": "test", "hearkensensor": "s", "hearkenaction": "a",
			"hearkenerror": "no use", "hearkenattempts": int32(2), "hearkensource": "orders", "hearkenevent": "created", "hearkenid": "1",
		}, extensions(e))
		assert.EqualValues(t, 1, f.Health().Sensors[0].Actions[0].DeadLettered)
		assert.NoError(t, f.end())
	})
}

func TestDeadLetterOfTheSameFailureIsADuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: always{hearken.Permanent(errBroken)}})
		f.start(t)
		f.deliver("1")
		f.deliver("1")
		f.deliver("2")
		p := f.bus.publications()
		require.Len(t, p, 3)
		assert.Equal(t, bus.IdentityOf(p[0].Topic, p[0].Event), bus.IdentityOf(p[1].Topic, p[1].Event))
		assert.NotEqual(t, bus.IdentityOf(p[0].Topic, p[0].Event), bus.IdentityOf(p[2].Topic, p[2].Event))
		assert.NoError(t, f.end())
	})
}

func TestWhatIsDeadLetteredUnfired(t *testing.T) {
	tests := []struct {
		name   string
		dep    hearken.Dependency
		change func(*bus.Delivery)
		want   string // of the error
		action string
	}{
		{"a filter's error", hearken.Dependency{Filter: filterFunc(func(hearken.Event) (bool, error) { return false, errBroken })}, nil, `filter of dependency "created": broken`, "s"},
		{"a transform's error", hearken.Dependency{Transform: func(_ context.Context, e hearken.Event) (hearken.Event, error) { return e, errBroken }}, nil, `transform of dependency "created": broken`, "s"},
		{"a transform that breaks the data", hearken.Dependency{Transform: func(_ context.Context, e hearken.Event) (hearken.Event, error) {
			e.DataEncoded = []byte("{")
			return e, nil
		}}, nil, `transform of dependency "created": data is not the application/json`, "s"},
		{"a transform to nothing", hearken.Dependency{Transform: func(context.Context, hearken.Event) (hearken.Event, error) { return hearken.Event{}, nil }}, nil, "has no context", "s"},
		{"no key", hearken.Dependency{Key: hearken.DataKey("order.number")}, nil, `no key at "order.number"`, "s"},
		{"a key that is no scalar", hearken.Dependency{Key: hearken.DataKey("@this")}, nil, `is no scalar`, "s"},
		{"a poison", hearken.Dependency{}, func(d *bus.Delivery) { d.Attempt = 21 }, "delivered 21 times", ""},
		{"a message that is no event", hearken.Dependency{}, func(d *bus.Delivery) {
			d.Err, d.Event = errors.New("no ce-id header"), hearken.Event{Context: d.Event.Context.AsV1(), DataEncoded: []byte("raw")}
			d.Event.SetType(bus.UndecodableType)
		}, "no ce-id header", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				f := newFixture(hearken.Action{Trigger: trigger, When: &tt.dep})
				tt.dep.EventSource = f.source
				f.start(t)
				var changes []func(*bus.Delivery)
				if tt.change != nil {
					changes = append(changes, tt.change)
				}
				pos := f.deliver("1", changes...)
				assert.Empty(t, trigger.fired())
				require.Len(t, f.bus.publications(), 1)
				x := extensions(f.bus.publications()[0].Event)
				assert.Contains(t, x["hearkenerror"], tt.want)
				if tt.action == "" {
					assert.NotContains(t, x, "hearkenaction")
				} else {
					assert.Equal(t, tt.action, x["hearkenaction"])
				}
				assert.Equal(t, acked(pos), f.bus.settlements())
				assert.NoError(t, f.end())
			})
		})
	}
}

func TestUndecodableMessagesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.start(t)
		raw := func(d *bus.Delivery) {
			d.Err = errBroken
			d.Event = hearken.Event{Context: (&hearken.Event{Context: d.Event.Context}).Context.AsV1(), DataEncoded: []byte("raw")}
			d.Event.SetID("same")
			d.Event.SetType(bus.UndecodableType)
		}
		f.deliver("1", raw)
		f.deliver("2", raw)
		p := f.bus.publications()
		require.Len(t, p, 2)
		assert.NotEqual(t, p[0].Event.ID(), p[1].Event.ID(), "or the bus would drop the second")
		assert.Equal(t, "raw", string(p[0].Event.Data()))
		err := f.Redrive(t.Context(), p[0].Event)
		assert.True(t, hearken.IsPermanent(err))
		assert.ErrorContains(t, err, "holds what is no event")
		assert.NoError(t, f.end())
	})
}

func TestDeadLetterThatCannotBeStoredIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: always{hearken.Permanent(errBroken)}})
		f.start(t)
		f.bus.failPublish(errors.New("away"))
		pos := f.deliver("1")
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Empty(t, f.bus.settlements())
		h := f.Health().Sensors[0]
		assert.Equal(t, 1, h.Unburied)
		assert.ErrorContains(t, h.LastError.Err, "publish dead letter: away")
		f.bus.failPublish(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, f.bus.publications(), 1)
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.Zero(t, f.Health().Sensors[0].Unburied)
		assert.NoError(t, f.end())
	})
}

func TestDeadLetterThatCannotBeStoredIsHandedBackOnShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: always{hearken.Permanent(errBroken)}})
		f.start(t)
		f.bus.failPublish(errors.New("away"))
		pos := f.deliver("1")
		assert.NoError(t, f.end())
		assert.Equal(t, handedBack(pos), f.bus.settlements())
	})
}

func TestErrorTextIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("é", 2000) + "\x00\xff"
		f := newFixture(hearken.Action{Trigger: always{hearken.Permanent(errors.New(long))}})
		f.start(t)
		f.deliver("1")
		text := extensions(f.bus.publications()[0].Event)["hearkenerror"].(string)
		assert.LessOrEqual(t, len(text), 1024)
		assert.Greater(t, len(text), 1000)
		assert.True(t, utf8.ValidString(text))
		assert.True(t, strings.HasSuffix(text, "é…"))
		assert.NoError(t, f.end())
	})
}

// dead returns a dead letter of a fixture's action.
func dead(t *testing.T, action string) hearken.Event {
	t.Helper()
	var e hearken.Event
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Name: action, Trigger: always{hearken.Permanent(errBroken)}})
		f.start(t)
		f.deliver("1")
		require.Len(t, f.bus.publications(), 1)
		e = f.bus.publications()[0].Event
		assert.NoError(t, f.end())
	})
	return e
}

func TestRedriveReachesOnlyWhatFailed(t *testing.T) {
	letter := dead(t, "bad")
	synctest.Test(t, func(t *testing.T) {
		good, bad := new(script), new(script)
		f := newFixture(hearken.Action{Name: "good", Trigger: good}, hearken.Action{Name: "bad", Trigger: bad})
		f.start(t)
		require.NoError(t, f.Redrive(t.Context(), letter))
		back := f.bus.publications()[0]
		assert.Equal(t, topic(), back.Topic)
		assert.Equal(t, "1", back.Event.ID())
		assert.Equal(t, map[string]any{
			"hearkenfiring": extensions(letter)["hearkenfiring"], "hearkenpipeline": "test", "hearkensensor": "s", "hearkenaction": "bad", "hearkenredrive": int32(1),
		}, extensions(back.Event))

		f.deliver("1", func(d *bus.Delivery) { d.Event = back.Event })
		assert.Empty(t, good.fired())
		require.Len(t, bad.fired(), 1)
		assert.NotEqual(t, extensions(letter)["hearkenfiring"], bad.fired()[0].ID, "or its name would meet the failed one's")

		e := bad.fired()[0].Events["created"]
		assert.Empty(t, extensions(e), "the trigger may pass it on")
		require.NoError(t, f.Emit(t.Context(), f.source, e))

		for _, name := range []string{"hearkensensor", "hearkenpipeline"} {
			pos := f.deliver("1", func(d *bus.Delivery) {
				d.Event = back.Event.Clone()
				d.Event.SetExtension(name, "another")
			})
			assert.Len(t, bad.fired(), 1, "that of another sensor or pipeline is not for us")
			assert.Contains(t, f.bus.settlements(), settlement{Pos: pos, Ack: true})
		}
		assert.NoError(t, f.end())
	})
}

func TestRedriveForAnActionThatIsGone(t *testing.T) {
	letter := dead(t, "gone")
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Name: "a", Trigger: new(script)})
		f.start(t)
		require.NoError(t, f.Redrive(t.Context(), letter))
		f.deliver("1", func(d *bus.Delivery) { d.Event = f.bus.publications()[0].Event })
		require.Len(t, f.bus.publications(), 2)
		again := f.bus.publications()[1].Event
		assert.Contains(t, extensions(again)["hearkenerror"], `"gone", which the sensor no longer has`)
		assert.Equal(t, int32(1), extensions(again)["hearkenredrive"], "the counter goes on")
		require.NoError(t, f.Redrive(t.Context(), again))
		assert.Equal(t, int32(2), extensions(f.bus.publications()[2].Event)["hearkenredrive"])
		assert.NoError(t, f.end())
	})
}

func TestRedriveRefuses(t *testing.T) {
	letter := dead(t, "a")
	ofLetter := letter.Clone()
	ofLetter.SetExtension("hearkensource", bus.DeadLetterSource)
	gone := letter.Clone()
	gone.SetExtension("hearkensensor", "gone")
	elsewhere := letter.Clone()
	elsewhere.SetExtension("hearkenevent", "cancelled")
	plain, err := hearken.NewEvent("order", "1", nil)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		assert.ErrorIs(t, f.Redrive(t.Context(), letter), hearken.ErrNotRunning)
		f.start(t)
		for want, e := range map[string]hearken.Event{
			"is not a dead letter":                                        plain,
			"is that of a dead letter":                                    ofLetter,
			"the event has no context":                                    {},
			`no sensor "gone" of this pipeline depends on orders/created`: gone,
			`no sensor "s" of this pipeline depends on orders/cancelled`:  elsewhere,
		} {
			err := f.Redrive(t.Context(), e)
			assert.ErrorContains(t, err, want)
			assert.True(t, hearken.IsPermanent(err))
		}
		f.bus.failPublish(bus.ErrFull)
		assert.ErrorIs(t, f.Redrive(t.Context(), letter), bus.ErrFull)
		f.bus.failPublish(bus.ErrRejected)
		assert.True(t, hearken.IsPermanent(f.Redrive(t.Context(), letter)))
		assert.NoError(t, f.end())
		assert.ErrorIs(t, f.Redrive(t.Context(), letter), hearken.ErrNotRunning)
	})
}

func TestSensorOnDeadLetters(t *testing.T) {
	letter := dead(t, "a")
	tests := []struct {
		name   string
		of     string
		change func(e *hearken.Event)
		fires  bool
	}{
		{"of the sensor", "s", nil, true},
		{"of all sensors", "*", nil, true},
		{"of another sensor", "other", nil, false},
		{"of a dead letter", "*", func(e *hearken.Event) { e.SetExtension("hearkensource", bus.DeadLetterSource) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := &script{answers: []error{hearken.Permanent(errBroken)}}
				d := &hearken.Dependency{EventSource: hearken.DeadLetters(tt.of)}
				f := newFixture(hearken.Action{Trigger: trigger, When: d})
				f.start(t)
				assert.Equal(t, []bus.Topic{letters()}, f.bus.groups[0].Topics)
				pos := f.deliver("1", func(d *bus.Delivery) {
					d.Topic, d.Event = letters(), letter.Clone()
					if tt.change != nil {
						tt.change(&d.Event)
					}
				})
				assert.Equal(t, acked(pos), f.bus.settlements())
				if !tt.fires {
					assert.Empty(t, trigger.fired())
				} else {
					require.Len(t, trigger.fired(), 1)
					_, err := trigger.fired()[0].Event(d)
					assert.NoError(t, err)
					assert.Equal(t, bus.DeadLetterSource, extensions(f.bus.publications()[0].Event)["hearkensource"], "its failure is stored, and never delivered")
				}
				assert.NoError(t, f.end())
			})
		})
	}
}

func ExamplePipeline_Redrive() {
	var p hearken.Pipeline // with a sensor "notify", and one more:
	letters := &hearken.Dependency{EventSource: hearken.DeadLetters("notify")}
	again := hearken.Sensor{Name: "again", Actions: []hearken.Action{{
		When: letters,
		Trigger: hearken.TriggerFunc(func(ctx context.Context, f hearken.Firing) error {
			e, err := f.Event(letters)
			if err != nil {
				return err
			}
			return p.Redrive(ctx, e)
		}),
	}}}
	p.Sensors = append(p.Sensors, again)

	_, err := hearken.NewEvent("x", "1", nil)
	fmt.Println(err, p.Redrive(context.Background(), hearken.Event{}))
	// Output: <nil> hearken: pipeline is not running
}
