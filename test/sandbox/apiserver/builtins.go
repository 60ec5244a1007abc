package apiserver

import (
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
)

// installBuiltins serves the built-in kinds from the extension server, so that discovery and OpenAPI hold both.
func (b *builder) installBuiltins() error {
	storages, versions, err := b.storages()
	if err != nil {
		return err
	}
	s := b.server.GenericAPIServer
	var groups []*genericapiserver.APIGroupInfo
	for _, gv := range versions {
		info := genericapiserver.NewDefaultAPIGroupInfo(gv.Group, b.registry.scheme, runtime.NewParameterCodec(b.registry.scheme), b.registry.codecs)
		info.PrioritizedVersions = []schema.GroupVersion{gv}
		info.VersionedResourcesStorageMap[gv.Version] = storages[gv]
		if gv.Group != corev1.GroupName {
			groups = append(groups, &info)
			continue
		}
		if err := s.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, &info); err != nil {
			return err
		}
	}
	return s.InstallAPIGroups(groups...)
}

// storages makes what serves each group version, and the versions in a fixed order.
func (b *builder) storages() (map[schema.GroupVersion]map[string]rest.Storage, []schema.GroupVersion, error) {
	var versions []schema.GroupVersion
	out := map[schema.GroupVersion]map[string]rest.Storage{}
	into := func(gv schema.GroupVersion) map[string]rest.Storage {
		if out[gv] == nil {
			out[gv] = map[string]rest.Storage{}
			versions = append(versions, gv)
		}
		return out[gv]
	}
	for _, k := range b.registry.kinds {
		into(k.gv)
	}
	c := b.etcd.StorageConfig // the groups that share another one's storage are not among its versions
	codec, err := b.registry.storageCodec(versions)
	if err != nil {
		return nil, nil, err
	}
	c.Codec = codec
	c.StorageObjectCountTracker = b.config.StorageObjectCountTracker
	getter := b.etcd.CreateRESTOptionsGetter(&options.SimpleStorageFactory{StorageConfig: c}, b.config.ResourceTransformers)
	resources := map[schema.GroupResource]*resource{}
	for _, k := range b.registry.kinds {
		r, err := b.registry.newResource(k, getter)
		if err != nil {
			return nil, nil, err
		}
		resources[k.groupResource()] = r
		r.install(into(k.gv))
	}
	core := func(name string) *resource { return resources[corev1.Resource(name)] }
	b.installCore(into(corev1.SchemeGroupVersion), core)
	b.installPods(into(corev1.SchemeGroupVersion), core("pods"), resources[policyv1.Resource("poddisruptionbudgets")])
	into(eventsv1.SchemeGroupVersion)["events"] = core("events")
	for name, s := range authenticationStorage(b.config.Authentication.Authenticator) {
		into(authenticationv1.SchemeGroupVersion)[name] = s
	}
	for name, s := range authorizationStorage(b.authorizer) {
		into(authorizationv1.SchemeGroupVersion)[name] = s
	}
	return out, versions, nil
}

// installCore adds what some kinds of the core group have and others have not.
func (b *builder) installCore(into map[string]rest.Storage, of func(string) *resource) {
	b.tokens.accounts, b.tokens.pods = of("serviceaccounts"), of("pods")
	into["serviceaccounts/token"] = &tokenREST{tokens: b.tokens}
	newAllocator(b.options.ServiceNetwork).attach(of("services").Store)
	into["namespaces"] = newNamespaceREST(of("namespaces"))
	into["namespaces/finalize"] = newFinalizeREST(of("namespaces"))
}

// installPods adds the subresources of pods.
func (b *builder) installPods(into map[string]rest.Storage, pods, budgets *resource) {
	into["pods/log"] = &logREST{pods: pods, open: b.options.PodLogs}
	into["pods/binding"] = newBindingREST(pods)
	into["pods/eviction"] = &evictionREST{pods: pods, budgets: budgets}
}
