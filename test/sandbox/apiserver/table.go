package apiserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
)

// table prints a kind as `kubectl get` shows it: the first column is the name, the rest is row's.
type table struct {
	columns []metav1.TableColumnDefinition
	row     func(runtime.Object) []any
}

// newTable makes a table of columns by name; one that starts with a plus sign is for `-o wide`.
func newTable[T runtime.Object](names string, row func(T) []any) table {
	t := table{row: func(o runtime.Object) []any { return row(o.(T)) }}
	for _, name := range strings.Split(names, "|") {
		c := metav1.TableColumnDefinition{Type: "string"}
		c.Name, _ = strings.CutPrefix(name, "+")
		if c.Name != name {
			c.Priority = 1
		}
		if c.Name == "Name" {
			c.Format = "name"
		}
		t.columns = append(t.columns, c)
	}
	return t
}

// ConvertToTable implements rest.TableConvertor.
func (t table) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	out := &metav1.Table{}
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		out.ColumnDefinitions = t.columns
	}
	if m, err := meta.ListAccessor(obj); err == nil {
		out.ResourceVersion, out.Continue, out.RemainingItemCount = m.GetResourceVersion(), m.GetContinue(), m.GetRemainingItemCount()
	} else if m, err := meta.CommonAccessor(obj); err == nil {
		out.ResourceVersion = m.GetResourceVersion()
	}
	add := func(o runtime.Object) error {
		out.Rows = append(out.Rows, metav1.TableRow{Cells: t.row(o), Object: runtime.RawExtension{Object: o}})
		return nil
	}
	if meta.IsListType(obj) {
		return out, meta.EachListItem(obj, add)
	}
	return out, add(obj)
}

func ageTable() table {
	return newTable("Name|Age", func(o runtime.Object) []any { return []any{nameOf(o), age(o)} })
}

func createdTable() table {
	return newTable("Name|Created At", func(o runtime.Object) []any {
		m, err := meta.Accessor(o)
		if err != nil {
			return []any{"", ""}
		}
		return []any{m.GetName(), m.GetCreationTimestamp().UTC().Format(time.RFC3339)}
	})
}

func nameOf(o runtime.Object) string {
	m, err := meta.Accessor(o)
	if err != nil {
		return ""
	}
	return m.GetName()
}

// unknown and none are kubectl's words for what is not there.
const (
	unknown = "<unknown>"
	none    = "<none>"
)

func age(o runtime.Object) string {
	m, err := meta.Accessor(o)
	if err != nil {
		return unknown
	}
	return since(m.GetCreationTimestamp())
}

func since(t metav1.Time) string {
	if t.IsZero() {
		return unknown
	}
	return duration.HumanDuration(time.Since(t.Time))
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// selectorText prints a selector as kubectl does.
func selectorText(s *metav1.LabelSelector) string { return metav1.FormatLabelSelector(s) }

func labelsText(set map[string]string) string {
	return selectorText(&metav1.LabelSelector{MatchLabels: set})
}

// containersText lists the containers' names and images.
func containersText(list []corev1.Container) (names, images string) {
	var n, i []string
	for _, c := range list {
		n, i = append(n, c.Name), append(i, c.Image)
	}
	return strings.Join(n, ","), strings.Join(i, ",")
}

func deref(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}

func ratio(a, b int32) string { return fmt.Sprintf("%d/%d", a, b) }
