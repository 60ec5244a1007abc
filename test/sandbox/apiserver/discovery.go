package apiserver

import (
	"net/http"

	apiextensionslisters "k8s.io/apiextensions-apiserver/pkg/client/listers/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// installGroups serves /apis. On a real cluster the aggregator in front does it, and the extension server, which is all there
// is here, leaves it out.
func installGroups(s *genericapiserver.GenericAPIServer, codecs serializer.CodecFactory, crds apiextensionslisters.CustomResourceDefinitionLister) {
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		groups, err := s.DiscoveryGroupManager.Groups(r.Context(), r)
		if err != nil {
			responsewriters.InternalError(w, r, err)
			return
		}
		groups = append(groups, customGroups(crds, groups)...)
		responsewriters.WriteObjectNegotiated(codecs, plainNegotiation{}, schema.GroupVersion{}, w, r, http.StatusOK, &metav1.APIGroupList{Groups: groups}, false)
	})
	both := aggregated.WrapAggregatedDiscoveryToHandler(plain, s.AggregatedDiscoveryGroupManager, nil)
	s.Handler.GoRestfulContainer.Add(both.GenerateWebService("/apis", metav1.APIGroupList{}))
}

// customGroups are the groups that only custom resources have.
func customGroups(crds apiextensionslisters.CustomResourceDefinitionLister, known []metav1.APIGroup) []metav1.APIGroup {
	seen := sets.New[string]()
	for _, g := range known {
		seen.Insert(g.Name)
	}
	versions := map[string]sets.Set[string]{}
	var names []string
	all, _ := crds.List(labels.Everything()) // a lister of an informer's store cannot fail
	for _, c := range all {
		group := c.Spec.Group
		if seen.Has(group) {
			continue
		}
		if versions[group] == nil {
			versions[group] = sets.New[string]()
			names = append(names, group)
		}
		for _, v := range c.Spec.Versions {
			if v.Served {
				versions[group].Insert(v.Name)
			}
		}
	}
	var out []metav1.APIGroup
	for _, name := range names {
		g := metav1.APIGroup{Name: name}
		for _, v := range sets.List(versions[name]) {
			g.Versions = append(g.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + v, Version: v})
		}
		if len(g.Versions) > 0 {
			g.PreferredVersion = g.Versions[0]
			out = append(out, g)
		}
	}
	return out
}

// plainNegotiation answers every client with the plain list.
type plainNegotiation struct{}

func (plainNegotiation) AllowsMediaTypeTransform(_, _ string, t *schema.GroupVersionKind) bool {
	return t == nil
}
func (plainNegotiation) AllowsServerVersion(string) bool { return false }
func (plainNegotiation) AllowsStreamSchema(string) bool  { return false }
