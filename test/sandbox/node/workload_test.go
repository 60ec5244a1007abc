package node_test

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func create(ctx context.Context, d *appsv1.Deployment) {
	_, err := typed.AppsV1().Deployments(d.Namespace).Create(ctx, d, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
}

func getDeployment(ctx context.Context, namespace string) func(Gomega) *appsv1.Deployment {
	return func(g Gomega) *appsv1.Deployment {
		d, err := typed.AppsV1().Deployments(namespace).Get(ctx, "web", metav1.GetOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		return d
	}
}

// rolledOut is what `kubectl rollout status` waits for.
func rolledOut(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration == d.Generation && s.UpdatedReplicas == *d.Spec.Replicas && s.Replicas == *d.Spec.Replicas &&
		s.AvailableReplicas == *d.Spec.Replicas && s.UnavailableReplicas == 0
}

func progressing(d *appsv1.Deployment) string {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing {
			return fmt.Sprintf("%s %s", c.Status, c.Reason)
		}
	}
	return ""
}

func patchDeployment(ctx context.Context, namespace, patch string) {
	_, err := typed.AppsV1().Deployments(namespace).Patch(ctx, "web", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	ExpectWithOffset(1, err).NotTo(HaveOccurred())
}

func newTemplate(ctx context.Context, namespace, version string) {
	patchDeployment(ctx, namespace, `{"spec":{"template":{"metadata":{"annotations":{"version":"`+version+`"}}}}}`)
}

// watchPods calls look with all pods of a namespace after each change, until the returned function is called.
func watchPods(ctx context.Context, namespace string, look func([]*corev1.Pod)) (stop func()) {
	w, err := typed.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	var done sync.WaitGroup
	done.Go(func() {
		pods := map[types.UID]*corev1.Pod{}
		for e := range w.ResultChan() {
			p, ok := e.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			pods[p.UID] = p
			if e.Type == "DELETED" {
				delete(pods, p.UID)
			}
			look(slices.Collect(maps.Values(pods)))
		}
	})
	return func() {
		w.Stop()
		done.Wait()
	}
}

func rolling(surge, unavailable int32) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxSurge: new(intstr.FromInt32(surge)), MaxUnavailable: new(intstr.FromInt32(unavailable)),
		}}
	}
}

var _ = Describe("A Deployment", func() {
	It("rolls without losing a ready pod, within its surge, and back", func(ctx SpecContext) {
		ns := namespace(ctx)
		create(ctx, deployment(ns, 3, rolling(1, 0)))
		Eventually(getDeployment(ctx, ns)).Should(Satisfy(rolledOut))
		Eventually(getDeployment(ctx, ns)).Should(WithTransform(progressing, Equal("True NewReplicaSetAvailable")))

		var mu sync.Mutex
		fewest, most := 3, 3
		stop := watchPods(ctx, ns, func(pods []*corev1.Pod) {
			ready, there := 0, 0
			for _, p := range pods {
				if p.DeletionTimestamp != nil {
					continue
				}
				there++
				if podReady(p) {
					ready++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if there >= 3 { // the watch begins with the pods that are there, one after the other
				fewest, most = min(fewest, ready), max(most, there)
			}
		})
		newTemplate(ctx, ns, "2")
		Eventually(getDeployment(ctx, ns)).Should(And(Satisfy(rolledOut), HaveField("Annotations", HaveKeyWithValue("deployment.kubernetes.io/revision", "2"))))
		stop()
		Expect(fewest).To(Equal(3))
		Expect(most).To(Equal(4))

		out, err := exec.CommandContext(ctx, "kubectl", "--kubeconfig", kubeconfig, "-n", ns, "rollout", "undo", "deployment/web").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		out, err = exec.CommandContext(ctx, "kubectl", "--kubeconfig", kubeconfig, "-n", ns, "rollout", "status", "deployment/web").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(string(out)).To(ContainSubstring("successfully rolled out"))
		d := getDeployment(ctx, ns)(Default)
		Expect(d.Spec.Template.Annotations).To(BeEmpty())
		Expect(d.Annotations).To(HaveKeyWithValue("deployment.kubernetes.io/revision", "3"))
		sets, err := typed.AppsV1().ReplicaSets(ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(sets.Items).To(HaveLen(2), "the old template's ReplicaSet is used again")
	})

	It("never has an old and a new process at once when it is recreated", func(ctx SpecContext) {
		ns := namespace(ctx)
		create(ctx, deployment(ns, 2, func(d *appsv1.Deployment) {
			d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
			d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{env("DRAIN", "asked")}
		}))
		Eventually(getDeployment(ctx, ns)).Should(Satisfy(rolledOut))
		var mu sync.Mutex
		overlap := false
		stop := watchPods(ctx, ns, func(pods []*corev1.Pod) {
			hashes := map[string]bool{}
			for _, p := range pods {
				hashes[p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]] = true
			}
			mu.Lock()
			defer mu.Unlock()
			overlap = overlap || len(hashes) > 1
		})
		old, err := typed.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(old.Items).To(HaveLen(2))
		newTemplate(ctx, ns, "2")
		for _, p := range old.Items { // they drain until they are asked to end
			Eventually(getPod(ctx, ns, p.Name)).Should(HaveField("DeletionTimestamp", Not(BeNil())))
			Expect(ask(p.Status.PodIP, "/end")()).Error().NotTo(HaveOccurred())
		}
		Eventually(getDeployment(ctx, ns)).Should(And(Satisfy(rolledOut), HaveField("Annotations", HaveKeyWithValue("deployment.kubernetes.io/revision", "2"))))
		stop()
		Expect(overlap).To(BeFalse())
	})

	It("says so when a rollout makes no progress, and keeps the old pods", func(ctx SpecContext) {
		ns := namespace(ctx)
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			rolling(1, 0)(d)
			d.Spec.ProgressDeadlineSeconds = new(int32(2))
		}))
		Eventually(getDeployment(ctx, ns)).Should(Satisfy(rolledOut))
		patchDeployment(ctx, ns, `{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"UNREADY","value":"1"}]}]}}}}`)
		Eventually(getDeployment(ctx, ns)).Should(And(
			WithTransform(progressing, Equal("False ProgressDeadlineExceeded")),
			HaveField("Status.AvailableReplicas", BeEquivalentTo(1)),
			HaveField("Status.Replicas", BeEquivalentTo(2)),
			HaveField("Status.UnavailableReplicas", BeEquivalentTo(1)),
		))
	})

	It("scales, and does not roll while it is paused", func(ctx SpecContext) {
		ns := namespace(ctx)
		create(ctx, deployment(ns, 1, nil))
		Eventually(getDeployment(ctx, ns)).Should(Satisfy(rolledOut))
		patchDeployment(ctx, ns, `{"spec":{"paused":true,"replicas":2,"template":{"metadata":{"annotations":{"version":"2"}}}}}`)
		Eventually(getDeployment(ctx, ns)).Should(And(HaveField("Status.AvailableReplicas", BeEquivalentTo(2)), WithTransform(progressing, Equal("Unknown DeploymentPaused"))))
		Expect(getDeployment(ctx, ns)(Default).Status.UpdatedReplicas).To(BeZero())
		patchDeployment(ctx, ns, `{"spec":{"paused":false}}`)
		Eventually(getDeployment(ctx, ns)).Should(Satisfy(rolledOut))
		patchDeployment(ctx, ns, `{"spec":{"replicas":0}}`)
		Eventually(getDeployment(ctx, ns)).Should(And(Satisfy(rolledOut), HaveField("Status.Replicas", BeZero())))
	})

	It("counts a pod as available only after minReadySeconds, and keeps as many old ReplicaSets as it may", func(ctx SpecContext) {
		ns := namespace(ctx)
		create(ctx, deployment(ns, 1, func(d *appsv1.Deployment) {
			d.Spec.MinReadySeconds = 1
			d.Spec.RevisionHistoryLimit = new(int32(1))
		}))
		Eventually(getDeployment(ctx, ns)).Should(HaveField("Status.ReadyReplicas", BeEquivalentTo(1)))
		Eventually(getDeployment(ctx, ns)).Should(Satisfy(rolledOut))
		pods, err := typed.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(pods.Items).To(HaveLen(1))
		for _, version := range []string{"2", "3"} {
			newTemplate(ctx, ns, version)
			Eventually(getDeployment(ctx, ns)).Should(And(Satisfy(rolledOut), HaveField("Annotations", HaveKeyWithValue("deployment.kubernetes.io/revision", version))))
		}
		Eventually(func(g Gomega) []appsv1.ReplicaSet {
			sets, err := typed.AppsV1().ReplicaSets(ns).List(ctx, metav1.ListOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			return sets.Items
		}).Should(HaveLen(2))
	})
})
