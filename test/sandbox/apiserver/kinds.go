package apiserver

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is one built-in kind: what the loop that installs them all has to know of it.
type kind struct {
	gv                 schema.GroupVersion
	resource, singular string
	obj, list          runtime.Object
	cluster            bool // cluster scoped
	status, scale      bool // has these subresources
	generation         bool // counts changes in metadata.generation; not every kind does
	inAll              bool // in kubectl's category `all`
	short              []string
	fields             func(runtime.Object) fields.Set // what field selectors match besides name and namespace
	rules              rules
	table              table
}

func (k kind) gvk(s *runtime.Scheme) schema.GroupVersionKind {
	gvks, _, err := s.ObjectKinds(k.obj)
	if err != nil {
		panic(err) // the table below names only types of the scheme
	}
	for _, gvk := range gvks {
		if gvk.GroupVersion() == k.gv {
			return gvk
		}
	}
	panic("no version of " + k.resource + " is in the scheme")
}

func (k kind) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.gv.Group, Resource: k.resource}
}

// builtinKinds lists every built-in kind with storage. Kinds without storage, the reviews, are in review.go.
func builtinKinds() []kind {
	all := coreKinds()
	all = append(all, appsKinds()...)
	all = append(all, rbacKinds()...)
	return append(all,
		kind{
			gv: discoveryv1.SchemeGroupVersion, resource: "endpointslices", singular: "endpointslice",
			obj: &discoveryv1.EndpointSlice{}, list: &discoveryv1.EndpointSliceList{},
			generation: true, rules: endpointSliceRules(), table: endpointSliceTable(),
		},
		kind{
			gv: policyv1.SchemeGroupVersion, resource: "poddisruptionbudgets", singular: "poddisruptionbudget",
			obj: &policyv1.PodDisruptionBudget{}, list: &policyv1.PodDisruptionBudgetList{},
			generation: true, status: true, short: []string{"pdb"}, rules: budgetRules(), table: budgetTable(),
		},
		kind{
			gv: autoscalingv2.SchemeGroupVersion, resource: "horizontalpodautoscalers", singular: "horizontalpodautoscaler",
			obj: &autoscalingv2.HorizontalPodAutoscaler{}, list: &autoscalingv2.HorizontalPodAutoscalerList{},
			generation: true, status: true, inAll: true, short: []string{"hpa"}, rules: autoscalerRules(), table: autoscalerTable(),
		},
		kind{
			gv: networkingv1.SchemeGroupVersion, resource: "ingresses", singular: "ingress",
			obj: &networkingv1.Ingress{}, list: &networkingv1.IngressList{},
			generation: true, status: true, short: []string{"ing"}, rules: ingressRules(), table: ingressTable(),
		},
		kind{
			gv: networkingv1.SchemeGroupVersion, resource: "networkpolicies", singular: "networkpolicy",
			obj: &networkingv1.NetworkPolicy{}, list: &networkingv1.NetworkPolicyList{},
			generation: true, short: []string{"netpol"}, rules: networkPolicyRules(), table: networkPolicyTable(),
		},
		kind{
			gv: coordinationv1.SchemeGroupVersion, resource: "leases", singular: "lease",
			obj: &coordinationv1.Lease{}, list: &coordinationv1.LeaseList{},
			rules: leaseRules(), table: leaseTable(),
		},
	)
}

func coreKinds() []kind {
	gv := corev1.SchemeGroupVersion
	return []kind{
		{
			gv: gv, resource: "namespaces", singular: "namespace",
			obj: &corev1.Namespace{}, list: &corev1.NamespaceList{},
			cluster: true, status: true, short: []string{"ns"}, fields: namespaceFields, rules: namespaceRules(), table: namespaceTable(),
		},
		{
			gv: gv, resource: "nodes", singular: "node",
			obj: &corev1.Node{}, list: &corev1.NodeList{},
			cluster: true, status: true, short: []string{"no"}, rules: named(subdomainName), table: nodeTable(),
		},
		{
			gv: gv, resource: "services", singular: "service",
			obj: &corev1.Service{}, list: &corev1.ServiceList{},
			status: true, inAll: true, short: []string{"svc"}, rules: serviceRules(), table: serviceTable(),
		},
		{
			gv: gv, resource: "configmaps", singular: "configmap",
			obj: &corev1.ConfigMap{}, list: &corev1.ConfigMapList{},
			short: []string{"cm"}, rules: configMapRules(), table: configMapTable(),
		},
		{
			gv: gv, resource: "secrets", singular: "secret",
			obj: &corev1.Secret{}, list: &corev1.SecretList{},
			fields: secretFields, rules: secretRules(), table: secretTable(),
		},
		{
			gv: gv, resource: "serviceaccounts", singular: "serviceaccount",
			obj: &corev1.ServiceAccount{}, list: &corev1.ServiceAccountList{},
			short: []string{"sa"}, rules: named(subdomainName), table: serviceAccountTable(),
		},
		{
			gv: gv, resource: "pods", singular: "pod",
			obj: &corev1.Pod{}, list: &corev1.PodList{},
			generation: true, status: true, inAll: true, short: []string{"po"}, fields: podFields, rules: podRules(), table: podTable(),
		},
		{
			gv: gv, resource: "endpoints", singular: "endpoints",
			obj: &corev1.Endpoints{}, list: &corev1.EndpointsList{}, //nolint:staticcheck // deprecated, and still served by every cluster
			short: []string{"ep"}, rules: named(subdomainName), table: ageTable(),
		},
		{
			gv: gv, resource: "events", singular: "event",
			obj: &corev1.Event{}, list: &corev1.EventList{},
			short: []string{"ev"}, fields: eventFields, rules: named(subdomainName), table: eventTable(),
		},
	}
}

func appsKinds() []kind {
	gv := appsv1.SchemeGroupVersion
	return []kind{
		{
			gv: gv, resource: "deployments", singular: "deployment",
			obj: &appsv1.Deployment{}, list: &appsv1.DeploymentList{},
			generation: true, status: true, scale: true, inAll: true, short: []string{"deploy"}, rules: deploymentRules(), table: deploymentTable(),
		},
		{
			gv: gv, resource: "replicasets", singular: "replicaset",
			obj: &appsv1.ReplicaSet{}, list: &appsv1.ReplicaSetList{},
			generation: true, status: true, scale: true, inAll: true, short: []string{"rs"}, rules: replicaSetRules(), table: replicaSetTable(),
		},
		{
			gv: gv, resource: "statefulsets", singular: "statefulset",
			obj: &appsv1.StatefulSet{}, list: &appsv1.StatefulSetList{},
			generation: true, status: true, scale: true, inAll: true, short: []string{"sts"}, rules: statefulSetRules(), table: statefulSetTable(),
		},
		{
			gv: gv, resource: "controllerrevisions", singular: "controllerrevision",
			obj: &appsv1.ControllerRevision{}, list: &appsv1.ControllerRevisionList{},
			rules: named(subdomainName), table: ageTable(),
		},
	}
}

func rbacKinds() []kind {
	gv := rbacv1.SchemeGroupVersion
	return []kind{
		{
			gv: gv, resource: "roles", singular: "role",
			obj: &rbacv1.Role{}, list: &rbacv1.RoleList{},
			rules: roleRules(), table: createdTable(),
		},
		{
			gv: gv, resource: "rolebindings", singular: "rolebinding",
			obj: &rbacv1.RoleBinding{}, list: &rbacv1.RoleBindingList{},
			rules: bindingRules(), table: bindingTable(),
		},
		{
			gv: gv, resource: "clusterroles", singular: "clusterrole",
			obj: &rbacv1.ClusterRole{}, list: &rbacv1.ClusterRoleList{},
			cluster: true, rules: roleRules(), table: createdTable(),
		},
		{
			gv: gv, resource: "clusterrolebindings", singular: "clusterrolebinding",
			obj: &rbacv1.ClusterRoleBinding{}, list: &rbacv1.ClusterRoleBindingList{},
			cluster: true, rules: bindingRules(), table: bindingTable(),
		},
	}
}

func namespaceFields(o runtime.Object) fields.Set {
	return fields.Set{"status.phase": string(o.(*corev1.Namespace).Status.Phase)}
}

func secretFields(o runtime.Object) fields.Set {
	return fields.Set{"type": string(o.(*corev1.Secret).Type)}
}

func podFields(o runtime.Object) fields.Set {
	p := o.(*corev1.Pod)
	return fields.Set{
		"spec.nodeName":            p.Spec.NodeName,
		"spec.restartPolicy":       string(p.Spec.RestartPolicy),
		"spec.schedulerName":       p.Spec.SchedulerName,
		"spec.serviceAccountName":  p.Spec.ServiceAccountName,
		"status.phase":             string(p.Status.Phase),
		"status.podIP":             p.Status.PodIP,
		"status.nominatedNodeName": p.Status.NominatedNodeName,
	}
}

func eventFields(o runtime.Object) fields.Set {
	e := o.(*corev1.Event)
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	return fields.Set{
		"involvedObject.kind":            e.InvolvedObject.Kind,
		"involvedObject.namespace":       e.InvolvedObject.Namespace,
		"involvedObject.name":            e.InvolvedObject.Name,
		"involvedObject.uid":             string(e.InvolvedObject.UID),
		"involvedObject.apiVersion":      e.InvolvedObject.APIVersion,
		"involvedObject.resourceVersion": e.InvolvedObject.ResourceVersion,
		"involvedObject.fieldPath":       e.InvolvedObject.FieldPath,
		"reason":                         e.Reason,
		"reportingComponent":             source,
		"source":                         source,
		"type":                           e.Type,
	}
}
