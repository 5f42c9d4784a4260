// Pod-lambda calls an AWS Lambda function for each Pod that comes to have a label.
//
//	go run ./examples/pod-lambda
//	kubectl run my-pod --image=nginx --labels=app=my-pod
//
// The function "hello" is given {"name":"my-pod"}, and what it answers is printed.
// Region, credentials and endpoint are those of the AWS SDK's default chain; with
// -secret the credentials are kept in a Kubernetes Secret and may be rotated there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/examples/internal/kube"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
	"github.com/hearken-go/hearken/triggers/params"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// flags are what the command line says.
type flags struct {
	data, kubeconfig, labels, function, secret string
	keep                                       time.Duration
}

func main() {
	var f flags
	kubeconfig := kube.Flag()
	flag.StringVar(&f.data, "data", filepath.Join("examples", "pod-lambda", "data"), "`folder` of the bus, and of what has been seen; empty: in memory")
	flag.StringVar(&f.labels, "labels", "app=my-pod", "which Pods, as a label `selector`")
	flag.StringVar(&f.function, "function", "hello", "`name` or ARN of the function")
	flag.StringVar(&f.secret, "secret", "", "`namespace/name` of the Secret with the credentials; empty: the SDK's default chain")
	flag.DurationVar(&f.keep, "keep", 10*time.Minute, "for which `time` credentials of the Secret are used until it is read again")
	flag.Parse()
	f.kubeconfig = *kubeconfig

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) (err error) {
	cluster, _, err := kube.Config(f.kubeconfig)
	if err != nil {
		return err
	}
	account, err := f.aws(ctx, cluster)
	if err != nil {
		return err
	}
	b, err := embedded.Open(ctx, embedded.Config{Dir: f.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()

	pods := &hearken.EventSource{Name: "resource", Event: "pod", Source: &resource.Source{
		Config:   cluster,
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		Labels:   f.labels,
		Types:    []resource.Type{resource.Add},
	}}
	pod := &hearken.Dependency{EventSource: pods}

	p := &hearken.Pipeline{
		Name:         "pod-lambda",
		Bus:          b,
		EventSources: []*hearken.EventSource{pods},
		Sensors: []hearken.Sensor{{Name: "call", Actions: []hearken.Action{{
			When: pod,
			Trigger: &lambdatrigger.Trigger{
				Client:       lambda.NewFromConfig(account),
				FunctionName: f.function,
				Payload:      params.Object{"name": params.Data(pod, "body.metadata.name")},
				Check:        show,
			},
		}}}},
	}
	slog.Info("watching Pods", "cluster", cluster.Host, "labels", f.labels, "function", f.function, "region", account.Region)
	return p.Run(ctx)
}

// aws is how to reach AWS.
func (f *flags) aws(ctx context.Context, cluster *rest.Config) (aws.Config, error) {
	var options []func(*config.LoadOptions) error
	if f.secret != "" {
		provider, err := inSecret(cluster, f.secret, f.keep)
		if err != nil {
			return aws.Config{}, err
		}
		options = append(options, config.WithCredentialsProvider(provider)) // which it caches
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err == nil && cfg.Region == "" {
		err = errors.New("no region: set AWS_REGION")
	}
	return cfg, err
}

// show prints what the function has answered.
func show(f hearken.Firing, out *lambda.InvokeOutput) error {
	_, err := fmt.Printf("{\"firing\":%q,\"answer\":%s}\n", f.ID, out.Payload)
	return err
}
