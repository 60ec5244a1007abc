package apiserver_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Objects that the server accepts; every refused one below is one of them with one thing changed.
const (
	goodDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-hub, labels: {app: hub}}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: hub}}
  template:
    metadata: {labels: {app: hub}}
    spec:
      terminationGracePeriodSeconds: 60
      volumes: [{name: config, configMap: {name: shop-hub}}]
      containers:
      - name: hub
        image: runnel:0.1.0
        ports: [{name: subscribe, containerPort: 8080}, {name: publish, containerPort: 8081}]
        readinessProbe: {httpGet: {path: /readyz, port: 9090}}
        resources: {requests: {memory: 64Mi}, limits: {memory: 128Mi}}
        env: [{name: A, value: "1"}]
        volumeMounts: [{name: config, mountPath: /etc/runnel}]
`
	goodService = `
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: hub}
  ports: [{name: http, port: 80, targetPort: subscribe}, {name: publish, port: 81, targetPort: 8081}]
`
	goodConfigMap = `
apiVersion: v1
kind: ConfigMap
metadata: {name: shop.hub, labels: {app: hub}, annotations: {runnel.dev/hash: x}}
data: {config.json: "{}"}
`
	goodSecret     = "apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\ntype: kubernetes.io/tls\nstringData: {tls.crt: a, tls.key: b}\n"
	goodAccount    = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shop-hub}\n"
	goodLease      = "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: lock}\nspec: {leaseDurationSeconds: 15}\n"
	goodBudget     = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: shop}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: hub}}}\n"
	goodAutoscaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: shop}\nspec: {minReplicas: 2, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}}\n"
	goodPolicy     = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: shop}\nspec: {podSelector: {}, ingress: [{ports: [{port: 8080}], from: [{namespaceSelector: {}}]}]}\n"
	goodIngress    = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop}\nspec: {rules: [{host: events.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}}]}\n"
	goodRole       = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'shop:reader'}\nrules: [{verbs: [get], apiGroups: [''], resources: [pods]}]\n"
	goodBinding    = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: shop}\nroleRef: {kind: Role, name: reader}\nsubjects: [{kind: ServiceAccount, name: shop}]\n"
	goodPod        = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"
)

func object(ns, text string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	ExpectWithOffset(1, yaml.Unmarshal([]byte(text), u)).To(Succeed())
	u.SetNamespace(ns)
	return u
}

// change sets a dotted path of an object, such as spec.ports[0].port, to a YAML value; "-" removes it.
func change(u *unstructured.Unstructured, path, value string) {
	var at any = u.Object
	parts := strings.Split(strings.NewReplacer("[", ".#", "]", "").Replace(path), ".")
	var v any
	ExpectWithOffset(1, yaml.Unmarshal([]byte(value), &v)).To(Succeed())
	for i, part := range parts {
		last := i == len(parts)-1
		if n := 0; strings.HasPrefix(part, "#") {
			_, err := fmt.Sscanf(part, "#%d", &n)
			ExpectWithOffset(1, err).NotTo(HaveOccurred())
			if last {
				at.([]any)[n] = v
			} else {
				at = at.([]any)[n]
			}
			continue
		}
		m := at.(map[string]any)
		part = strings.ReplaceAll(part, "~", ".")
		switch {
		case last && value == "-":
			delete(m, part)
		case last:
			m[part] = v
		default:
			if m[part] == nil {
				m[part] = map[string]any{}
			}
			at = m[part]
		}
	}
}

var _ = Describe("Validation", Ordered, ContinueOnFailure, func() {
	var ns string
	BeforeAll(func(ctx SpecContext) { ns = newNamespace(ctx, nil) })

	DescribeTable("accepts", func(ctx SpecContext, text string) {
		Expect(admin.Create(ctx, object(ns, text), client.DryRunAll)).To(Succeed())
	},
		Entry(nil, goodDeployment), Entry(nil, goodService), Entry(nil, goodConfigMap), Entry(nil, goodSecret), Entry(nil, goodAccount),
		Entry(nil, goodLease), Entry(nil, goodBudget), Entry(nil, goodAutoscaler), Entry(nil, goodPolicy), Entry(nil, goodIngress),
		Entry(nil, goodRole), Entry(nil, goodBinding), Entry(nil, goodPod),
	)

	refused := func(text, path, value, message string) TableEntry {
		kind := strings.Fields(strings.SplitAfter(text, "kind: ")[1])[0]
		return Entry(kind+" with "+path+" = "+value, text, path, value, message)
	}
	const container = "spec.template.spec.containers[0]"
	DescribeTable("refuses", func(ctx SpecContext, text, path, value, message string) {
		u := object(ns, text)
		change(u, path, value)
		err := admin.Create(ctx, u, client.DryRunAll)
		Expect(err).To(MatchError(ContainSubstring(message)))
		Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(BeTrue(), "%v", err)
	},
		// metadata
		refused(goodConfigMap, "metadata.name", "Shop", "metadata.name: Invalid value"),
		refused(goodConfigMap, "metadata.labels.app", "'a b'", "metadata.labels: Invalid value"),
		refused(goodConfigMap, "metadata.annotations", "{'a b': c}", "metadata.annotations: Invalid value"),
		refused(goodConfigMap, "metadata.ownerReferences", "[{apiVersion: v1, kind: Pod, name: a}]", "ownerReferences[0].uid"),
		refused(goodConfigMap, "metadata.ownerReferences", "[{apiVersion: v1, kind: Pod, uid: a}]", "ownerReferences[0].name"),
		refused(goodConfigMap, "metadata.ownerReferences", "[{apiVersion: v1, kind: Pod, name: a, uid: a, controller: true}, {apiVersion: v1, kind: Pod, name: b, uid: b, controller: true}]", "Only one reference can have Controller set to true"),
		refused(goodService, "metadata.name", "1shop", "a DNS-1035 label must consist of"),
		refused(goodService, "metadata.name", "shop.a", "a DNS-1035 label must consist of"),
		refused(goodAccount, "metadata.name", "a_b", "metadata.name"),
		// Deployment
		refused(goodDeployment, "spec.selector", "-", "spec.selector: Required value"),
		refused(goodDeployment, "spec.selector.matchLabels.app", "other", "`selector` does not match template `labels`"),
		refused(goodDeployment, "spec.selector", "{}", "empty selector is invalid"),
		refused(goodDeployment, "spec.replicas", "-1", "spec.replicas: Invalid value: -1"),
		refused(goodDeployment, "spec.replicas", "two", "json: cannot unmarshal"),
		refused(goodDeployment, "spec.strategy.rollingUpdate", "{maxSurge: 1}", "may not be specified when strategy `type` is 'Recreate'"),
		refused(goodDeployment, "spec.strategy.type", "Blue", `spec.strategy.type: Unsupported value: "Blue"`),
		refused(goodDeployment, "spec.strategy", "{rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}", "may not be 0 when `maxSurge` is 0"),
		refused(goodDeployment, "spec.strategy", "{rollingUpdate: {maxSurge: many}}", "a percentage such as 25%"),
		refused(goodDeployment, "spec.strategy", "{rollingUpdate: {maxUnavailable: 101%}}", "must not be greater than 100%"),
		refused(goodDeployment, "spec.minReadySeconds", "600", "must be greater than minReadySeconds"),
		refused(goodDeployment, "spec.template.spec.terminationGracePeriodSeconds", "-1", "must be 0 or more"),
		refused(goodDeployment, "spec.template.spec.restartPolicy", "Never", "restartPolicy: Unsupported value"),
		refused(goodDeployment, "spec.template.spec.containers", "[]", "name at least one container"),
		refused(goodDeployment, "spec.template.spec.volumes", "[]", `volumeMounts[0].name: Not found: "config"`),
		refused(goodDeployment, "spec.template.spec.volumes", "[{name: config}, {name: config}]", "volumes[1].name: Duplicate value"),
		refused(goodDeployment, "spec.template.spec.volumes", "[{name: config, emptyDir: {}, secret: {secretName: a}}]", "name exactly one kind of volume, not 2"),
		refused(goodDeployment, "spec.template.spec.volumes", "[{name: config, secret: {}}]", "secret.secretName: Required value"),
		refused(goodDeployment, "spec.template.spec.volumes", "[{name: config, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 5}}]}}]", "must be 600 to"),
		refused(goodDeployment, "spec.template.spec.volumes", "[{name: config, configMap: {name: a, items: [{key: k, path: ../up}]}}]", "must not contain '..'"),
		refused(goodDeployment, container+".name", "My_Hub", "containers[0].name: Invalid value"),
		refused(goodDeployment, container+".image", "''", "containers[0].image"),
		refused(goodDeployment, container+".ports[0].containerPort", "70000", "between 1 and 65535"),
		refused(goodDeployment, container+".ports[1].name", "subscribe", "ports[1].name: Duplicate value"),
		refused(goodDeployment, container+".ports[0].name", "'a-name-that-is-too-long'", "must be no more than 15 characters"),
		refused(goodDeployment, container+".readinessProbe.httpGet.port", "0", "readinessProbe.httpGet.port"),
		refused(goodDeployment, container+".readinessProbe.periodSeconds", "-1", "readinessProbe.periodSeconds"),
		refused(goodDeployment, container+".readinessProbe", "{periodSeconds: 1}", "name exactly one of exec, httpGet"),
		refused(goodDeployment, container+".livenessProbe", "{successThreshold: 2, tcpSocket: {port: 80}}", "livenessProbe.successThreshold: Invalid value: 2: must be 1"),
		refused(goodDeployment, container+".lifecycle", "{preStop: {sleep: {seconds: -1}}}", "preStop.sleep.seconds"),
		refused(goodDeployment, container+".resources.requests.memory", "1Gi", "must be less than or equal to memory limit of 128Mi"),
		refused(goodDeployment, container+".env[0].name", "''", "env[0].name"),
		refused(goodDeployment, container+".env[0].valueFrom", "{fieldRef: {fieldPath: metadata.name}}", "may not be set beside value"),
		refused(goodDeployment, container+".volumeMounts[0].mountPath", "''", "mountPath: Required value"),
		// Service
		refused(goodService, "spec.ports", "[]", "name at least one port"),
		refused(goodService, "spec.ports[0].port", "0", "between 1 and 65535"),
		refused(goodService, "spec.ports[1].name", "http", "ports[1].name: Duplicate value"),
		refused(goodService, "spec.ports[1].name", "-", "names each of them"),
		refused(goodService, "spec.ports[1].port", "80", "ports[1]: Duplicate value"),
		refused(goodService, "spec.ports[0].targetPort", "Not_A_Name", "targetPort: Invalid value"),
		refused(goodService, "spec.ports[0].protocol", "HTTP", "ports[0].protocol: Unsupported value"),
		refused(goodService, "spec.type", "Internal", "spec.type: Unsupported value"),
		refused(goodService, "spec.selector.app", "'a b'", "spec.selector: Invalid value"),
		refused(goodService, "spec.type", "ExternalName", "spec.externalName: Required value"),
		// ConfigMap, Secret
		refused(goodConfigMap, "data", "{'a/b': c}", "data[a/b]: Invalid value"),
		refused(goodConfigMap, "data.config~json", strings.Repeat("x", 1<<20+1), "Too long"),
		refused(goodSecret, "stringData.tls~key", "-", "data[tls.key]: Required value"),
		// the rest
		refused(goodLease, "spec.leaseDurationSeconds", "0", "must be 1 or more"),
		refused(goodBudget, "spec.minAvailable", "1", "cannot be both set"),
		refused(goodAutoscaler, "spec.maxReplicas", "1", "greater than or equal to `minReplicas`"),
		refused(goodAutoscaler, "spec.metrics", "[{type: Resource}]", "set the one source that `type` names"),
		refused(goodPolicy, "spec.ingress[0].from", "[{}]", "must specify a peer"),
		refused(goodPolicy, "spec.ingress[0].from", "[{ipBlock: {cidr: x}}]", "ipBlock.cidr"),
		refused(goodIngress, "spec.rules[0].http.paths[0].path", "shop", "must be an absolute path"),
		refused(goodIngress, "spec.rules[0].http.paths[0].backend.service.port", "{}", "exactly one of the port's name and number"),
		refused(goodRole, "rules[0].verbs", "[]", "name at least one verb"),
		refused(goodRole, "rules[0]", "{verbs: [get], nonResourceURLs: [/x]}", "only a ClusterRole can grant URLs"),
		refused(goodBinding, "subjects[0].kind", "Robot", "subjects[0].kind: Unsupported value"),
		refused(goodPod, "spec.containers[0].image", "-", "spec.containers[0].image"),
	)

	DescribeTable("refuses the update of", func(ctx SpecContext, text, path, value, message string) {
		u := object(ns, text)
		u.SetName("")
		u.SetGenerateName("updated-")
		Expect(admin.Create(ctx, u)).To(Succeed())
		change(u, path, value)
		err := admin.Update(ctx, u)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(message)))
	},
		refused(goodDeployment, "spec.selector", "{matchLabels: {app: hub}, matchExpressions: [{key: a, operator: DoesNotExist}]}", "field is immutable"),
		refused(goodDeployment, "spec.replicas", "-1", "must be 0 or more"),
		refused(goodService, "spec.clusterIPs", "[127.96.250.250]", "must be the same as clusterIP"),
		refused(goodSecret, "type", "Opaque", "field is immutable"),
		refused(strings.Replace(goodConfigMap, "\ndata:", "\nimmutable: true\ndata:", 1), "data", "{a: b}", "field is immutable when `immutable` is set"),
		refused(goodService, "spec.ports", "[]", "name at least one port"),
	)
})
