// Package k8s acts on Kubernetes objects of any kind: it creates, updates,
// patches, applies and deletes them, and can wait for what becomes of them.
//
//	client := &k8s.Client{Config: config, Namespace: "ci"}
//	build := &k8s.Trigger{
//		Client: client,
//		Object: &k8s.Manifest{Text: job, Params: []params.Param{
//			{Dest: "spec.template.spec.containers.0.args.1", Value: params.Data(push, "body.ref")},
//		}},
//	}
//
// # One object for a firing
//
// A firing that is fired again, after a crash or a lost answer, makes nothing
// new. Of a generateName becomes a name that the firing alone has, and the object
// bears the firing's ID: one that is there already, with this ID, is success. One
// of another firing is not, nor is one that nobody's firing made; CreateIfAbsent
// takes both. Once such an object is deleted, the same firing would make it anew.
//
// Update and Merge note the last firing that changed the object, and so skip one
// that comes again, unless another came between or a subresource is changed:
// let a change be one that can be made twice. So it is with patches, which are
// sent as they are: setting a field can be repeated, adding to a list cannot, but
// for a JSON patch that tests first. Delete with a uid never deletes what was
// created anew under the name.
//
// A field that the kind does not have, such as of a misspelt Dest, is an error that
// names it, unless Trigger.FieldValidation says otherwise.
//
// # What another attempt can help
//
// Failed lists what is Permanent. A kind that the API does not serve is not: its
// CustomResourceDefinition may come, and is then found within 10 seconds.
//
// # Waiting
//
// Created is success, unless Trigger.Wait says what has to come of it. The wait
// goes on over an API server that is away, and after a crash or a shutdown the
// firing that comes again finds its object and waits for it anew.
//
// # What the API server has to allow
//
// The verbs of the operation: create and get for Create; get and update for
// Update, and create too for Merge; patch, and for Apply of an absent object
// create; delete. A Wait takes get and watch, an owner reference get of the
// owner, a subresource the same of it. A right that is missing is a Permanent
// error that names verb, resource and namespace.
//
// client-go itself repeats a request up to ten times where the server asks for
// it by Retry-After, within the attempt, and holds requests to Config's QPS, 5 a
// second if it is zero: set it for more.
package k8s
