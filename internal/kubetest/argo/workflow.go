package argo

import (
	"strings"
	"time"
)

// PlayAnnotation says what becomes of a Workflow: "succeed", which is also meant
// by none; "fail: why" and "error: why"; "suspend", which succeeds after a suspend
// step; or "hang", which runs for ever.
const PlayAnnotation = "test.hearken.dev/play"

// nextWorkflow returns the merge patch that takes a Workflow one step on, or nil
// where it stays as it is.
func nextWorkflow(wf object) object {
	play := wf.text("metadata", "annotations", PlayAnnotation)
	name := wf.text("metadata", "name")
	waiting := name + "-1"
	shutdown := wf.text("spec", "shutdown")
	switch phase := wf.text("status", "phase"); {
	case phase == "Succeeded" || phase == "Failed" || phase == "Error":
		return nil
	case shutdown != "":
		return ended("Failed", "Stopped with strategy '"+shutdown+"'")
	case wf.is("spec", "suspend"):
		return nil
	case phase == "":
		return status("Pending", object{"startedAt": now()})
	case phase == "Pending":
		nodes := map[string]any{name: map[string]any{"id": name, "name": name, "type": "Steps", "phase": "Running"}}
		if play == "suspend" {
			nodes[waiting] = map[string]any{"id": waiting, "name": name + "[0].approve", "displayName": "approve", "type": "Suspend", "phase": "Running"}
		}
		return status("Running", object{"nodes": nodes})
	case play == "hang":
		return nil
	case play == "suspend" && wf.text("status", "nodes", waiting, "phase") == "Running":
		return nil
	}
	how, why, _ := strings.Cut(play, ": ")
	switch how {
	case "fail":
		return ended("Failed", why)
	case "error":
		return ended("Error", why)
	}
	return ended("Succeeded", "")
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// status is a patch to a phase; Argo keeps a label of the same.
func status(phase string, more object) object {
	more["phase"] = phase
	return object{
		"metadata": map[string]any{"labels": map[string]any{"workflows.argoproj.io/phase": phase}},
		"status":   map[string]any(more),
	}
}

func ended(phase, message string) object {
	patch := status(phase, object{"message": message, "finishedAt": now()})
	labels, _ := patch.at("metadata", "labels").(map[string]any)
	labels["workflows.argoproj.io/completed"] = "true"
	return patch
}
