// Program install installs the servers that the tests with the build tag aws run
// against, unless they are there, and names them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hearken-go/hearken/internal/awstest/servers"
)

func main() {
	failed := false
	for _, k := range servers.Kinds() {
		folder, err := servers.Install(context.Background(), k)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = true
			continue
		}
		fmt.Printf("testing against %s %s in %s\n", k.Name, k.Version, folder)
	}
	if failed {
		os.Exit(1)
	}
}
