package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/runnel-dev/runnel/test/platform"
)

const (
	publisherImage = "sandbox-publisher"
	// publishCommand is what this program does in a publisher's pod.
	publishCommand = "publish"
	tokenDir       = "/var/run/runnel"
)

// publishFrom runs a pod that publishes the numbers from first to last, and waits until it has ended well. Its
// credential is a projected ServiceAccount token, as any publisher's in a cluster.
func publishFrom(ctx context.Context, p *platform.Platform, name string, at *stream, first, last int) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: sample.Namespace, Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy:                corev1.RestartPolicyNever,
			AutomountServiceAccountToken: new(false),
			Volumes: []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", Audience: at.audience}}},
			}}}},
			Containers: []corev1.Container{{
				Name: "publisher", Image: publisherImage,
				Args: []string{
					"--url=" + at.topic(), "--token-file=" + tokenDir + "/token",
					fmt.Sprintf("--first=%d", first), fmt.Sprintf("--last=%d", last),
				},
				VolumeMounts: []corev1.VolumeMount{{Name: "token", MountPath: tokenDir, ReadOnly: true}},
			}},
		},
	}
	if err := p.Client.Create(ctx, pod); err != nil {
		return err
	}
	var failed error
	err := p.Until(ctx, "the pod "+name+" has not published", func(ctx context.Context) (string, bool, error) {
		err := p.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		if pod.Status.Phase == corev1.PodFailed {
			failed = fmt.Errorf("the pod %s failed: %s", name, lastLine(ctx, p, name))
		}
		return "it is " + string(pod.Status.Phase), failed != nil || pod.Status.Phase == corev1.PodSucceeded, err
	})
	return errors.Join(err, failed)
}

func lastLine(ctx context.Context, p *platform.Platform, pod string) string {
	log, err := p.Node.PodLogs(ctx, sample.Namespace, pod, "", &corev1.PodLogOptions{TailLines: new(int64(1))})
	if err != nil {
		return err.Error()
	}
	defer func() { _ = log.Close() }()
	line, err := io.ReadAll(log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(line))
}

// publish is the pod's side: it POSTs each number as an event, and prints what the hub answers.
func publish(ctx context.Context, args []string, tell say) error {
	f := flag.NewFlagSet(publishCommand, flag.ContinueOnError)
	url := f.String("url", "", "topic's `URL`")
	tokenFile := f.String("token-file", "", "`file` with the token")
	first := f.Int("first", 1, "first number")
	last := f.Int("last", 1, "last number")
	if err := f.Parse(args); err != nil {
		return err
	}
	token, err := os.ReadFile(*tokenFile)
	if err != nil {
		return err
	}
	for n := *first; n <= *last; n++ {
		answer, err := post(ctx, *url, string(token), fmt.Sprintf(`{"n":%d}`, n))
		if err != nil {
			return err
		}
		tell("%s\n", answer)
	}
	return nil
}

func post(ctx context.Context, url, token, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status + ": " + string(bytes.TrimSpace(text)))
	}
	return string(bytes.TrimSpace(text)), err
}
