package apiserver

import (
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// Call is one request that the server has answered, or a watch that it has begun.
type Call struct {
	// User who called, such as system:serviceaccount:team-a:shop-hub.
	User string
	// Verb of Kubernetes, such as patch, list or watch.
	Verb string
	// Resource in the plural, with its subresource behind a slash; the path of what is no resource.
	Resource string
	// Code is the HTTP status.
	Code int32
}

// watched counts calls through the generic server's own audit, which sees all of them and by whom they are.
type watched struct{ tell func(Call) }

// audit has the generic server tell of every call.
func audit(c *genericapiserver.RecommendedConfig, tell func(Call)) {
	if tell == nil {
		return
	}
	c.AuditBackend = watched{tell}
	c.AuditPolicyRuleEvaluator = policy.NewPolicyRuleEvaluator(&auditinternal.Policy{
		OmitStages: []auditinternal.Stage{auditinternal.StageRequestReceived},
		Rules:      []auditinternal.PolicyRule{{Level: auditinternal.LevelMetadata}},
	})
}

// ProcessEvents implements audit.Sink.
func (w watched) ProcessEvents(events ...*auditinternal.Event) bool {
	for _, e := range events {
		// What lasts is told twice, at its beginning and its end.
		if (e.Verb == "watch") != (e.Stage == auditinternal.StageResponseStarted) {
			continue
		}
		c := Call{User: e.User.Username, Verb: e.Verb, Resource: e.RequestURI}
		if ref := e.ObjectRef; ref != nil && ref.Resource != "" {
			c.Resource = ref.Resource
			if ref.Subresource != "" {
				c.Resource += "/" + ref.Subresource
			}
		}
		if e.ResponseStatus != nil {
			c.Code = e.ResponseStatus.Code
		}
		w.tell(c)
	}
	return true
}

// Run implements audit.Backend.
func (watched) Run(<-chan struct{}) error { return nil }

// Shutdown implements audit.Backend: nothing is kept back.
func (watched) Shutdown() {}

// String implements audit.Backend.
func (watched) String() string { return "calls" }
