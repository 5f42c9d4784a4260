// Package servers installs and starts the servers of others that speak AWS's
// protocols: ElasticMQ (SQS) and moto (SQS, SNS, S3, EventBridge and more).
//
//	server, err := servers.Start(ctx, servers.ElasticMQ())
//	...
//	defer server.Stop()
//	endpoint := server.Endpoint // for the SDK
//
// Each is installed once, by its version, below the repository's .cache folder:
// the program in folder install does so ahead of the tests. Java and Maven, or
// Python with its venv module, must be there; what is missing is an error, never
// a test that is left out. A server listens on a free port of the loopback, and
// ends with the process that started it.
package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// Kind is a server that can be started.
type Kind struct {
	Name    string
	Version string

	needs   []string // programs, and the Debian packages that have them
	install func(ctx context.Context, k Kind, folder string) error
	command func(folder string) []string
	ready   *regexp.Regexp // a line of its output; the first group is its address
}

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{ElasticMQ(), Moto()} }

// ElasticMQ speaks SQS's protocols. It is from Maven Central and needs Java 17.
func ElasticMQ() Kind {
	return Kind{
		Name: "ElasticMQ", Version: "1.6.12",
		needs:   []string{"java (openjdk-17-jre-headless)", "mvn (maven)"},
		install: installElasticMQ,
		command: func(folder string) []string {
			return []string{
				"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
				"-Dconfig.file=" + filepath.Join(folder, "elasticmq.conf"),
				"-cp", filepath.Join(folder, "lib", "*"), "org.elasticmq.server.Main",
			}
		},
		ready: regexp.MustCompile(`Started SQS rest server, bind address ([0-9.:]+)`),
	}
}

// Moto speaks the protocols of many services. It is from PyPI and needs Python 3.
func Moto() Kind {
	return Kind{
		Name: "moto", Version: "5.2.5",
		needs:   []string{"python3 (python3, python3-venv)"},
		install: installMoto,
		command: func(folder string) []string {
			return []string{filepath.Join(folder, "venv", "bin", "python"), "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"}
		},
		ready: regexp.MustCompile(`Running on http://([0-9.:]+)`),
	}
}

// Install installs k unless it is there, and returns its folder.
func Install(ctx context.Context, k Kind) (string, error) {
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "aws", k.Name+"-"+k.Version)
	done := filepath.Join(folder, "installed")
	if _, err := os.Stat(done); err == nil {
		return folder, nil
	}
	for _, program := range k.needs {
		var name string
		if _, err := fmt.Sscan(program, &name); err != nil {
			return "", err
		}
		if _, err := exec.LookPath(name); err != nil {
			return "", fmt.Errorf("%s needs %s: %w", k.Name, program, err)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	if err := k.install(ctx, k, folder); err != nil {
		return "", fmt.Errorf("install %s %s: %w", k.Name, k.Version, err)
	}
	return folder, os.WriteFile(done, nil, 0o644)
}

// cacheFolder returns .cache at the root of the repository.
func cacheFolder() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "allmodules")); err == nil {
			return filepath.Join(folder, ".cache"), nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("the root of the repository, where allmodules is, was not found")
		}
		folder = parent
	}
}

// elasticMQConf has ElasticMQ refuse what SQS refuses, and make URLs of the host
// that a request names.
const elasticMQConf = `include classpath("application.conf")
node-address { host = "*" }
rest-sqs { enabled = true, bind-port = 0, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
`

const elasticMQPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hearken</groupId><artifactId>elasticmq</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>%s</version>
  </dependency></dependencies>
</project>
`

func installElasticMQ(ctx context.Context, k Kind, folder string) error {
	err := errors.Join(
		os.WriteFile(filepath.Join(folder, "elasticmq.conf"), []byte(elasticMQConf), 0o644),
		os.WriteFile(filepath.Join(folder, "pom.xml"), fmt.Appendf(nil, elasticMQPOM, k.Version), 0o644),
	)
	if err != nil {
		return err
	}
	return command(ctx, folder, "mvn", "-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(folder, "lib"))
}

func installMoto(ctx context.Context, k Kind, folder string) error {
	if err := command(ctx, folder, "python3", "-m", "venv", "--clear", "venv"); err != nil {
		return err
	}
	return command(ctx, folder, filepath.Join(folder, "venv", "bin", "pip"), "install", "-q", "--disable-pip-version-check", "moto[server]=="+k.Version)
}

// command runs a program in a folder.
func command(ctx context.Context, folder, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
