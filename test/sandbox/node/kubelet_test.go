package node_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/uuid"
)

func waitingReason(p *corev1.Pod) string {
	if len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Waiting != nil {
		return p.Status.ContainerStatuses[0].State.Waiting.Reason
	}
	return ""
}

func eventReasons(ctx context.Context, namespace string) func() ([]string, error) {
	return func() ([]string, error) {
		list, err := typed.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		var out []string
		for _, e := range list.Items {
			out = append(out, e.Reason)
		}
		return out, nil
	}
}

var _ = Describe("A pod", func() {
	It("runs on an address of its own and sees its environment", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			c := &p.Spec.Containers[0]
			c.Args = []string{"--me=$(NAME)", "$$(NAME)", "$(UNKNOWN)"}
			c.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi"), corev1.ResourceCPU: resource.MustParse("1500m")}
			c.Env = []corev1.EnvVar{
				{Name: "NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
				{Name: "APP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['app']"}}},
				{Name: "MEMORY", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory"}}},
				{Name: "CPU", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu"}}},
				env("BOTH", "$(NAME)/$(CPU)"),
			}
		})
		Expect(p.Status.PodIP).To(MatchRegexp(`^127\.(1[6-9]|[2-7][0-9])\.\d+\.\d+$`))
		Expect(p.Status.Phase).To(Equal(corev1.PodRunning))
		Expect(p.Spec.NodeName).To(Equal("sandbox"))
		for name, value := range map[string]string{
			"RUNNEL_LISTEN_HOST": p.Status.PodIP, "NAME": "p", "APP": "p", "MEMORY": "67108864", "CPU": "2", "BOTH": "p/2", "HOSTNAME": "p",
		} {
			Expect(ask(p.Status.PodIP, "/env?name="+name)()).To(Equal(value), name)
		}
		Expect(ask(p.Status.PodIP, "/args")()).To(Equal("[--me=p $(NAME) $(UNKNOWN)]"))
	})

	It("gets a changed ConfigMap when its annotation changes, by one swap, and not before", func(ctx SpecContext) {
		ns := namespace(ctx)
		maps := typed.CoreV1().ConfigMaps(ns)
		m, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Data: map[string]string{"a": "1", "b": "1"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}}}}
			p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "config", MountPath: "/etc/config"}}
			p.Spec.Containers[0].Env = []corev1.EnvVar{env("DIR", "/etc/config")}
		})
		file := ask(p.Status.PodIP, "/file?dir=DIR&name=a")
		Expect(file()).To(Equal("1"))
		dir, err := ask(p.Status.PodIP, "/env?name=DIR")()
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Readlink(filepath.Join(dir, "a"))).To(Equal("..data/a"))
		first, err := os.Readlink(filepath.Join(dir, "..data"))
		Expect(err).NotTo(HaveOccurred())
		Expect(first).To(HavePrefix("..2"))

		m.Data = map[string]string{"a": "2", "c": "2"}
		_, err = maps.Update(ctx, m, metav1.UpdateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Consistently(file, "300ms").Should(Equal("1"), "without a change of the pod it takes a sync period")
		_, err = typed.CoreV1().Pods(ns).Patch(ctx, p.Name, types.MergePatchType, []byte(`{"metadata":{"annotations":{"nudge":"1"}}}`), metav1.PatchOptions{}, "status")
		Expect(err).NotTo(HaveOccurred())
		Eventually(file).Should(Equal("2"))
		Expect(filepath.Join(dir, first)).NotTo(BeADirectory())
		Expect(filepath.Join(dir, "b")).NotTo(BeAnExistingFile())
		Expect(filepath.Join(dir, "c")).To(BeARegularFile())
	})

	It("waits for a ConfigMap that is missing, unless it is optional", func(ctx SpecContext) {
		ns := namespace(ctx)
		runPod(ctx, ns, func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{
				{Name: "late", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "late"}}}},
				{Name: "never", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "never", Optional: new(true)}}},
			}
			p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "late", MountPath: "/late"}, {Name: "never", MountPath: "/never"}}
		})
		Eventually(eventReasons(ctx, ns)).Should(ContainElement("FailedMount"))
		Eventually(getPod(ctx, ns, "p")).Should(WithTransform(waitingReason, Equal("ContainerCreating")))
		_, err := typed.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "late"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(getPod(ctx, ns, "p")).Should(Satisfy(podReady))
	})

	It("finds optional Secrets below the directory that they are mounted in, as they come and go", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			for _, name := range []string{"one", "two"} {
				p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
					Secret: &corev1.SecretVolumeSource{SecretName: name, Optional: new(true)},
				}})
				p.Spec.Containers[0].VolumeMounts = append(p.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/run/app/secrets/" + name})
			}
			p.Spec.Containers[0].Env = []corev1.EnvVar{env("DIR", "/run/app")}
		})
		for value := range 2 {
			nudge := func() {
				_, err := typed.CoreV1().Pods(ns).Patch(ctx, p.Name, types.MergePatchType, []byte(`{"metadata":{"annotations":{"nudge":"`+string(uuid.NewUUID())+`"}}}`), metav1.PatchOptions{}, "status")
				Expect(err).NotTo(HaveOccurred())
			}
			file := func() string {
				content, err := ask(p.Status.PodIP, "/file?dir=DIR&name=secrets/two/key")()
				if err != nil {
					return err.Error()
				}
				return content
			}
			Expect(file()).To(ContainSubstring("no such file"))
			_, err := typed.CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "two"}, StringData: map[string]string{"key": fmt.Sprint(value)},
			}, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			nudge()
			Eventually(file).Should(Equal(fmt.Sprint(value)))
			Expect(typed.CoreV1().Secrets(ns).Delete(ctx, "two", metav1.DeleteOptions{})).To(Succeed())
			nudge()
			Eventually(file).Should(ContainSubstring("no such file"))
		}
	})

	It("says in its status that its image is unknown", func(ctx SpecContext) {
		ns := namespace(ctx)
		runPod(ctx, ns, func(p *corev1.Pod) { p.Spec.Containers[0].Image = "registry.example/nothing:1" })
		Eventually(getPod(ctx, ns, "p")).Should(WithTransform(waitingReason, Equal("ImagePullBackOff")))
		p := getPod(ctx, ns, "p")(Default)
		Expect(p.Status.Phase).To(Equal(corev1.PodPending))
		Expect(p.Status.ContainerStatuses[0].State.Waiting.Message).To(ContainSubstring("the sandbox has the images registry.example/pod"))
	})

	It("restarts with a growing pause when it crashes, and keeps the log of the run before", func(ctx SpecContext) {
		ns := namespace(ctx)
		runPod(ctx, ns, func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"exit", "7"} })
		Eventually(getPod(ctx, ns, "p")).Should(WithTransform(waitingReason, Equal("CrashLoopBackOff")))
		Eventually(getPod(ctx, ns, "p")).Should(HaveField("Status.ContainerStatuses", ContainElement(And(
			HaveField("RestartCount", BeNumerically(">=", 2)),
			HaveField("LastTerminationState.Terminated", PointTo(MatchFields(IgnoreExtras, Fields{"ExitCode": BeEquivalentTo(7), "Reason": Equal("Error")}))),
		))))
		Expect(getPod(ctx, ns, "p")(Default).Status.Phase).To(Equal(corev1.PodRunning))
		Eventually(func() (string, error) { return logOf(ctx, ns, "p", &corev1.PodLogOptions{Previous: true}) }).Should(Equal("exits with 7\n"))
	})

	It("ends for good by its restart policy", func(ctx SpecContext) {
		ns := namespace(ctx)
		for code, phase := range map[string]corev1.PodPhase{"0": corev1.PodSucceeded, "1": corev1.PodFailed} {
			runPod(ctx, ns, func(p *corev1.Pod) {
				p.Name, p.Spec.RestartPolicy, p.Spec.Containers[0].Args = "p"+code, corev1.RestartPolicyNever, []string{"exit", code}
			})
			Eventually(getPod(ctx, ns, "p"+code)).Should(HaveField("Status.Phase", phase))
			Expect(logOf(ctx, ns, "p"+code, nil)).To(Equal("exits with " + code + "\n"))
		}
	})

	It("runs its init containers one after the other, before the others", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "shared", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			mount := []corev1.VolumeMount{{Name: "shared", MountPath: "/shared"}}
			for name, script := range map[string]string{"first": "echo one > /shared/f"} {
				p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: name, Image: image, Command: []string{"sh", "-c", script}, VolumeMounts: mount})
			}
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: "second", Image: image, Command: []string{"sh", "-c", "echo two >> /shared/f"}, VolumeMounts: mount})
			p.Spec.Containers[0].VolumeMounts = mount
			p.Spec.Containers[0].Env = []corev1.EnvVar{env("DIR", "/shared")}
		})
		Expect(ask(p.Status.PodIP, "/file?dir=DIR&name=f")()).To(Equal("one\ntwo\n"))
	})

	It("has tokens that are bound to it, of the wanted audience, and a kubeconfig that the API server accepts", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", Audience: "runnel.dev/a/b", ExpirationSeconds: new(int64(600))}},
			}}}}}
			p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "token", MountPath: "/token"}}
			p.Spec.Containers[0].Env = []corev1.EnvVar{env("DIR", "/token")}
		})
		token, err := ask(p.Status.PodIP, "/file?dir=DIR&name=token")()
		Expect(err).NotTo(HaveOccurred())
		body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		Expect(err).NotTo(HaveOccurred())
		var claims struct {
			Sub        string
			Aud        []string
			Kubernetes struct{ Pod struct{ UID types.UID } } `json:"kubernetes.io"`
		}
		Expect(json.Unmarshal(body, &claims)).To(Succeed())
		Expect(claims.Sub).To(Equal("system:serviceaccount:" + ns + ":default"))
		Expect(claims.Aud).To(ConsistOf("runnel.dev/a/b"))
		Expect(claims.Kubernetes.Pod.UID).To(Equal(p.UID))
		who, err := whoami(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		Expect(who).To(Equal(claims.Sub))
	})

	It("is restarted when its liveness probe fails, and not before its startup probe has succeeded", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			c := &p.Spec.Containers[0]
			probe := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(8080)}}
			c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("web")}}, PeriodSeconds: 1, FailureThreshold: probeSeconds}
			c.LivenessProbe = &corev1.Probe{ProbeHandler: probe, PeriodSeconds: 1, FailureThreshold: 1}
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "exit 0"}}}, PeriodSeconds: 1}
			for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
				p.TimeoutSeconds = probeSeconds
			}
		})
		Expect(ask(p.Status.PodIP, "/set?ready=false")()).Error().NotTo(HaveOccurred())
		Eventually(getPod(ctx, ns, "p")).Should(HaveField("Status.ContainerStatuses", ContainElement(HaveField("RestartCount", BeEquivalentTo(1)))))
		Eventually(getPod(ctx, ns, "p")).Should(Satisfy(podReady))
		Eventually(eventReasons(ctx, ns)).Should(ContainElements("Unhealthy", "Killing"))
	})

	It("is deleted in order: hook, SIGTERM, the drain, and only then the object and the files", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			c := &p.Spec.Containers[0]
			c.Env = []corev1.EnvVar{env("DRAIN", "asked")}
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "echo hooked >> " + filepath.Join(files, "hooked")}}}}
		})
		log, err := here.PodLogs(ctx, ns, "p", "main", &corev1.PodLogOptions{Follow: true})
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = log.Close() }()
		Expect(typed.CoreV1().Pods(ns).Delete(ctx, "p", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func() (string, error) { return logOf(ctx, ns, "p", &corev1.PodLogOptions{TailLines: new(int64(1))}) }).Should(Equal("drains\n"))
		Expect(filepath.Join(files, "hooked")).To(BeARegularFile())
		Expect(podReady(getPod(ctx, ns, "p")(Default))).To(BeTrue(), "readiness is still probed while it drains")
		Expect(ask(p.Status.PodIP, "/end")()).Error().NotTo(HaveOccurred())
		Eventually(podGone(ctx, ns, "p")).Should(BeTrue())
		Expect(filepath.Join(files, "pods", string(p.UID))).NotTo(BeADirectory())
		lines := make([]byte, 1000)
		n := 0
		for {
			m, err := log.Read(lines[n:])
			n += m
			if err != nil {
				break
			}
		}
		Expect(string(lines[:n])).To(HaveSuffix("drains\nends\n"))
	})

	It("is killed at the end of its grace period, with the processes that it made", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) { p.Spec.Containers[0].Env = []corev1.EnvVar{env("DRAIN", "forever")} })
		child, err := ask(p.Status.PodIP, "/child")()
		Expect(err).NotTo(HaveOccurred())
		Expect(processes()).To(ContainElement("/proc/" + child + "/exe"))
		began := time.Now()
		Expect(typed.CoreV1().Pods(ns).Delete(ctx, "p", metav1.DeleteOptions{GracePeriodSeconds: new(int64(1))})).To(Succeed())
		Eventually(podGone(ctx, ns, "p")).Should(BeTrue())
		Expect(time.Since(began)).To(BeNumerically(">=", time.Second))
		Eventually(processes).ShouldNot(ContainElement("/proc/" + child + "/exe"))
	})

	It("leaves no process of its own behind when it crashes", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, nil)
		child, err := ask(p.Status.PodIP, "/child")()
		Expect(err).NotTo(HaveOccurred())
		Expect(processes()).To(ContainElement("/proc/" + child + "/exe"))
		Expect(ask(p.Status.PodIP, "/crash")()).Error().To(HaveOccurred())
		Eventually(processes).ShouldNot(ContainElement("/proc/" + child + "/exe"))
		Eventually(getPod(ctx, ns, "p")).Should(HaveField("Status.ContainerStatuses", ContainElement(HaveField("RestartCount", BeEquivalentTo(1)))))
	})

	It("crashes when it is killed, and hangs while it is paused", func(ctx SpecContext) {
		ns := namespace(ctx)
		p := readyPod(ctx, ns, func(p *corev1.Pod) {
			p.Spec.Containers[0].ReadinessProbe.TimeoutSeconds = 1 // a paused pod lets its probe time out
		})
		Expect(here.Pause(ns, "p")).To(Succeed())
		Eventually(getPod(ctx, ns, "p")).ShouldNot(Satisfy(podReady))
		Expect(here.Resume(ns, "p")).To(Succeed())
		Eventually(getPod(ctx, ns, "p")).Should(Satisfy(podReady))
		Expect(here.Kill(ns, "p")).To(Succeed())
		Eventually(getPod(ctx, ns, "p")).Should(And(Satisfy(podReady), HaveField("Status.ContainerStatuses", ContainElement(And(
			HaveField("RestartCount", BeEquivalentTo(1)),
			HaveField("LastTerminationState.Terminated", PointTo(MatchFields(IgnoreExtras, Fields{"ExitCode": BeEquivalentTo(137), "Signal": BeEquivalentTo(9)}))),
		)))))
		Expect(getPod(ctx, ns, "p")(Default).Status.PodIP).To(Equal(p.Status.PodIP))
		Expect(here.Kill(ns, "nobody")).To(MatchError(ContainSubstring("not found")))
	})
})
