package apiserver

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// registry is what every storage of one server shares.
type registry struct {
	scheme *runtime.Scheme
	codecs serializer.CodecFactory
	kinds  []kind
}

// storageCodec writes objects as kube-apiserver does: in protocol buffers, which take a fraction of JSON's time.
func (r *registry) storageCodec(versions []schema.GroupVersion) (runtime.Codec, error) {
	info, ok := runtime.SerializerInfoForMediaType(r.codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	if !ok {
		return nil, fmt.Errorf("no serializer writes %s", runtime.ContentTypeProtobuf)
	}
	return r.codecs.CodecForVersions(info.Serializer, r.codecs.UniversalDeserializer(), schema.GroupVersions(versions), runtime.InternalGroupVersioner), nil
}

// newRegistry registers each external type twice: as its version, and as the internal one to which the generic server
// converts. Both being one Go type, nothing has to be converted.
func newRegistry() (*registry, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, autoscalingv1.AddToScheme, autoscalingv2.AddToScheme, discoveryv1.AddToScheme,
		eventsv1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, coordinationv1.AddToScheme, rbacv1.AddToScheme,
		authenticationv1.AddToScheme, authorizationv1.AddToScheme,
		addEventConversions, addPodLogConversion,
	} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("register the built-in kinds: %w", err)
		}
	}
	internal := func(group string, objs ...runtime.Object) {
		s.AddKnownTypes(schema.GroupVersion{Group: group, Version: runtime.APIVersionInternal}, objs...)
	}
	kinds := builtinKinds()
	for _, k := range kinds {
		internal(k.gv.Group, k.obj, k.list)
		if err := addFieldLabels(s, k.gvk(s), k.fields, k.obj); err != nil {
			return nil, err
		}
	}
	internal(corev1.GroupName, &corev1.PodLogOptions{}, &corev1.Binding{})
	internal(autoscalingv1.GroupName, &autoscalingv1.Scale{})
	internal(policyv1.GroupName, &policyv1.Eviction{})
	internal(authenticationv1.GroupName, &authenticationv1.TokenReview{}, &authenticationv1.TokenRequest{}, &authenticationv1.SelfSubjectReview{})
	internal(authorizationv1.GroupName, &authorizationv1.SubjectAccessReview{}, &authorizationv1.SelfSubjectAccessReview{},
		&authorizationv1.LocalSubjectAccessReview{}, &authorizationv1.SelfSubjectRulesReview{})
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	addDefaults(s)
	return &registry{scheme: s, codecs: serializer.NewCodecFactory(s), kinds: kinds}, nil
}

// addFieldLabels says which field selectors a kind understands; others are refused as on a real cluster.
func addFieldLabels(s *runtime.Scheme, gvk schema.GroupVersionKind, set func(runtime.Object) fields.Set, empty runtime.Object) error {
	if set == nil {
		return nil
	}
	known := set(empty)
	return s.AddFieldLabelConversionFunc(gvk, func(label, value string) (string, string, error) {
		if known.Has(label) {
			return label, value, nil
		}
		return runtime.DefaultMetaV1FieldSelectorConversion(label, value)
	})
}

// addPodLogConversion reads the query of a request for a pod's log.
func addPodLogConversion(s *runtime.Scheme) error {
	return s.AddConversionFunc((*url.Values)(nil), (*corev1.PodLogOptions)(nil), func(a, b any, _ conversion.Scope) error {
		q, o := *a.(*url.Values), b.(*corev1.PodLogOptions)
		o.Container = q.Get("container")
		for key, p := range map[string]*bool{"follow": &o.Follow, "previous": &o.Previous, "timestamps": &o.Timestamps} {
			if v := q.Get(key); v != "" {
				*p = v != "false" && v != "0"
			}
		}
		for key, p := range map[string]**int64{"sinceSeconds": &o.SinceSeconds, "tailLines": &o.TailLines, "limitBytes": &o.LimitBytes} {
			if v := q.Get(key); v != "" {
				n, err := strconv.ParseInt(v, 10, 64)
				if err != nil {
					return fmt.Errorf("%s: %q is no whole number", key, v)
				}
				*p = &n
			}
		}
		if v := q.Get("sinceTime"); v != "" {
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return fmt.Errorf("sinceTime: %q is no RFC 3339 time, such as 2026-01-02T15:04:05Z", v)
			}
			o.SinceTime = &metav1.Time{Time: t}
		}
		return nil
	})
}
