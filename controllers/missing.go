package controllers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/runnel-dev/runnel/hub/config"
)

// listed is how many missing things a message names: a stream may name more than the 32 KiB of a condition's message can hold.
const listed = 8

// loaded says whether the hub runs the configuration and has all that it names.
func (h *hub) loaded(configHash string) bool {
	return h.asked && h.configHash == configHash && h.refusal == "" && h.restart == "" && len(h.missing) == 0
}

// missing returns what hubs wait for, each once and sorted: entries of Secrets and ConfigMaps, and others. While a hub replaces
// another, the new one alone is listened to: it mounts what the spec names.
func (v *view) missing() (references, others []string) {
	staying := v.staying()
	if v.succeeding() {
		staying = staying[len(staying)-1:]
	}
	for _, h := range staying {
		for _, m := range h.missing {
			if strings.HasPrefix(m, config.KindSecret+" ") || strings.HasPrefix(m, config.KindConfigMap+" ") {
				references = append(references, m)
				continue
			}
			others = append(others, m)
		}
	}
	slices.Sort(references)
	slices.Sort(others)
	return slices.Compact(references), slices.Compact(others)
}

// missingCertificate returns which parts of the certificate a hub waits for; none if the ports are in clear text.
func (v *view) missingCertificate() (names []string) {
	if v.tlsSecret == "" {
		return nil
	}
	references, _ := v.missing()
	return slices.DeleteFunc(references, func(m string) bool {
		return !strings.HasPrefix(m, fmt.Sprintf("%s %s, ", config.KindSecret, v.tlsSecret))
	})
}

// toBeMade says what a person can do about missing entries.
func (v *view) toBeMade(references []string) string {
	return fmt.Sprintf("missing in namespace %s: %s. Make them: the hub takes them up by itself, once its kubelet has brought them, which takes a minute or two",
		v.stream.Namespace, list(references))
}

func list(names []string) string {
	if len(names) > listed {
		names = append(slices.Clone(names[:listed]), fmt.Sprintf("and %d more", len(names)-listed))
	}
	return strings.Join(names, "; ")
}
