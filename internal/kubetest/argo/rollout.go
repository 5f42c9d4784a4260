package argo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// nextRollout returns the merge patch of the status that takes a canary Rollout
// one step on, or nil where it stays as it is, and its generation has been noted.
func nextRollout(ro object) object {
	patch := nextStep(ro)
	seen := strconv.Itoa(ro.number("metadata", "generation"))
	if ro.text("status", "observedGeneration") == seen {
		return patch
	}
	if patch == nil {
		patch = statusOf(object{})
	}
	patch["status"].(map[string]any)["observedGeneration"] = seen
	return patch
}

// nextStep is what nextRollout does to the steps. Those with a pause wait; others
// are done at once.
func nextStep(ro object) object {
	hash := hashOf(ro.at("spec", "template"))
	st := object{}
	s, _ := ro.at("status").(map[string]any)
	if s != nil {
		st = s
	}
	steps := ro.list("spec", "strategy", "canary", "steps")
	step := st.number("currentStepIndex")
	switch {
	case st.text("stableRS") == "": // the first version needs no steps
		return statusOf(object{"currentPodHash": hash, "stableRS": hash, "currentStepIndex": len(steps), "phase": "Healthy"})
	case st.text("currentPodHash") != hash:
		return statusOf(object{
			"currentPodHash": hash, "currentStepIndex": 0, "phase": "Progressing", "abort": nil, "promoteFull": nil,
			"pauseConditions": nil, "controllerPause": nil,
		})
	case hash == st.text("stableRS"):
		return nil
	case st.is("abort"):
		if st.text("phase") == "Degraded" {
			return nil
		}
		return statusOf(object{"phase": "Degraded", "currentStepIndex": 0, "pauseConditions": nil, "controllerPause": nil})
	case st.is("promoteFull") || step >= len(steps):
		return statusOf(object{
			"stableRS": hash, "currentStepIndex": len(steps), "phase": "Healthy", "promoteFull": nil,
			"pauseConditions": nil, "controllerPause": nil,
		})
	case ro.is("spec", "paused") || len(st.list("pauseConditions")) > 0:
		return nil
	case steps[step]["pause"] == nil || st.is("controllerPause"): // whose condition was taken away
		return statusOf(object{"currentStepIndex": step + 1, "controllerPause": nil, "phase": "Progressing"})
	}
	return statusOf(object{
		"phase": "Paused", "controllerPause": true,
		"pauseConditions": []any{map[string]any{"reason": "CanaryPauseStep", "startTime": now()}},
	})
}

func statusOf(st object) object { return object{"status": map[string]any(st)} }

func hashOf(template any) string {
	raw, err := json.Marshal(template)
	if err != nil {
		return "" // not of what was decoded from JSON
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:5])
}
