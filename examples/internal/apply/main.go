// Apply stands in for kubectl where there is none: it makes the objects of YAML
// files what the files say, or deletes them.
//
//	go run ./examples/internal/apply [-delete] FILE...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/hearken-go/hearken/examples/internal/kube"
	"github.com/hearken-go/hearken/triggers/k8s"
)

func main() {
	kubeconfig := kube.Flag()
	remove := flag.Bool("delete", false, "delete the objects")
	flag.Parse()
	if err := run(context.Background(), *kubeconfig, *remove, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string, remove bool, files []string) error {
	if len(files) == 0 {
		return errors.New("say which files")
	}
	cluster, namespace, err := kube.Config(kubeconfig)
	if err != nil {
		return err
	}
	client := &k8s.Client{Config: cluster, Namespace: namespace}
	do, done := kube.Apply, "applied"
	if remove {
		do, done = kube.Delete, "deleted"
	}
	for _, file := range files {
		names, err := do(ctx, client, file)
		for _, name := range names {
			fmt.Println(name, done)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
