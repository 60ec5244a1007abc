// Package manifest reads an EventStream from a file and holds it against the resource's own definition, as an API server
// does: strict decoding, defaulting, schema, list types, object metadata and CEL, in that order and with the same messages.
package manifest

import (
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/runnel-dev/runnel/api/v1alpha1"
)

const kind = "EventStream"

// WriteOne says what to write where there is no EventStream.
var WriteOne = fmt.Sprintf("write one with apiVersion: %s and kind: %s", v1alpha1.GroupVersion, kind)

// Manifest is what a file holds for a single hub.
type Manifest struct {
	// Stream is valid and has its namespace set.
	Stream *v1alpha1.EventStream
	// Entries are those of the file's Secrets and ConfigMaps that are in the stream's namespace.
	Entries Entries
	// Skipped names each other object, such as `Service "shop"`, in the file's order.
	Skipped []string
}

// Reader reads manifests. It is safe for use by several goroutines.
type Reader struct{ definition *definition }

// NewReader returns a Reader of what the definition, a CustomResourceDefinition as YAML, allows. It fails if the definition
// has no structural schema of the API version that this program is built with; a rule that does not compile is an error of
// each Read instead.
func NewReader(customResourceDefinition []byte) (*Reader, error) {
	d, err := newDefinition(customResourceDefinition)
	if err != nil {
		return nil, fmt.Errorf("the definition of %s cannot be used: %w", kind, err)
	}
	return &Reader{definition: d}, nil
}

// Read reads YAML or JSON, one document or several, and finds the one EventStream in it, with the Secrets and ConfigMaps beside it.
// Other objects are skipped and named. Filename is for messages only. An error is ready to be shown: it says all that is wrong with the
// EventStream in the words of the API server, laid out as kubectl does.
func (r *Reader) Read(filename string, text []byte) (*Manifest, error) {
	streams, others, err := split(filename, text)
	if err != nil {
		return nil, err
	}
	switch len(streams) {
	case 0:
		return nil, fmt.Errorf("%s holds no %s: %s", filename, kind, WriteOne)
	case 1:
	default:
		return nil, fmt.Errorf("%s holds %d EventStreams (%s): one hub serves one of them, write each into a file of its own",
			filename, len(streams), names(streams))
	}
	m := &Manifest{}
	m.Entries, others, err = entries(streams[0].GetNamespace(), others)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filename, err)
	}
	m.Skipped = titles(others)
	if m.Stream, err = r.admit(streams[0]); err != nil {
		return nil, err
	}
	return m, nil
}

// Check reads YAML or JSON as Read does, finds any number of EventStreams in it, and returns how many there are and what else there is.
// The error tells of every one that the API server or the operator would refuse.
func (r *Reader) Check(filename string, text []byte) (streams int, skipped []string, err error) {
	found, others, err := split(filename, text)
	if err != nil {
		return 0, nil, err
	}
	var refused []error
	for _, o := range found {
		stream, err := r.admit(o)
		if err == nil {
			_, err = (&Manifest{Stream: stream}).Config()
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", filename, err))
		}
	}
	return len(found), titles(others), errors.Join(refused...)
}

// split reads a file's objects and tells EventStreams from others.
func split(filename string, text []byte) (streams, others []object, err error) {
	objects, err := parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read: %w", filename, err)
	}
	for _, o := range objects {
		if o.GetKind() == kind && o.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
			streams = append(streams, o)
			continue
		}
		others = append(others, o)
	}
	return streams, others, nil
}

// admit takes an object the way that an API server takes one which is created.
func (r *Reader) admit(o object) (*v1alpha1.EventStream, error) {
	if v := o.GetAPIVersion(); v != v1alpha1.GroupVersion.String() {
		return nil, fmt.Errorf("no matches for kind %q in version %q: write apiVersion: %s", kind, v, v1alpha1.GroupVersion)
	}
	if err := r.definition.coerce(o); err != nil {
		return nil, err
	}
	if o.GetNamespace() == "" {
		o.SetNamespace(metav1.NamespaceDefault) // as kubectl does, without a namespace in its context
	}
	if errs := r.definition.validate(o.Unstructured); len(errs) > 0 {
		return nil, invalid(o.GetName(), errs)
	}
	s := &v1alpha1.EventStream{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, s); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", title(o.GetName()), err)
	}
	return s, nil
}

func titles(objects []object) (all []string) {
	for _, o := range objects {
		all = append(all, o.title())
	}
	return all
}

func names(objects []object) string {
	var all []string
	for _, o := range objects {
		all = append(all, o.GetName())
	}
	return strings.Join(all, ", ")
}

// object is one object of a file, together with what strict decoding has against it.
type object struct {
	*unstructured.Unstructured
	strict []error
}

// title names the object, such as `Secret "shop" of namespace team-a`.
func (o object) title() string {
	title := fmt.Sprintf("%s %q", o.GetKind(), o.GetName())
	if o.GetNamespace() != "" {
		title += " of namespace " + o.GetNamespace()
	}
	return title
}
