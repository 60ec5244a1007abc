package apiserver

import (
	apischema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
)

type table struct{ rest.TableConvertor }

func ageTable() table { return table{rest.NewDefaultTableConvertor(apischema.GroupResource{})} }

func autoscalerTable() table     { return ageTable() }
func bindingTable() table        { return ageTable() }
func budgetTable() table         { return ageTable() }
func configMapTable() table      { return ageTable() }
func createdTable() table        { return ageTable() }
func deploymentTable() table     { return ageTable() }
func endpointSliceTable() table  { return ageTable() }
func eventTable() table          { return ageTable() }
func ingressTable() table        { return ageTable() }
func leaseTable() table          { return ageTable() }
func namespaceTable() table      { return ageTable() }
func networkPolicyTable() table  { return ageTable() }
func nodeTable() table           { return ageTable() }
func podTable() table            { return ageTable() }
func replicaSetTable() table     { return ageTable() }
func secretTable() table         { return ageTable() }
func serviceAccountTable() table { return ageTable() }
func serviceTable() table        { return ageTable() }
func statefulSetTable() table    { return ageTable() }
func autoscalerRules() rules     { return named(subdomainName) }
func budgetRules() rules         { return named(subdomainName) }
func configMapRules() rules      { return named(subdomainName) }
func deploymentRules() rules     { return named(subdomainName) }
func endpointSliceRules() rules  { return named(subdomainName) }
func ingressRules() rules        { return named(subdomainName) }
func leaseRules() rules          { return named(subdomainName) }
func networkPolicyRules() rules  { return named(subdomainName) }
func podRules() rules            { return named(subdomainName) }
func replicaSetRules() rules     { return named(subdomainName) }
func secretRules() rules         { return named(subdomainName) }
func serviceRules() rules        { return named(subdomainName) }
func statefulSetRules() rules    { return named(subdomainName) }
