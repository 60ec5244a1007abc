package kubelet

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runnel-dev/runnel/test/sandbox/node/volume"
)

func (w *worker) volumeDir(name string) string { return filepath.Join(w.dir, "volumes", name) }

// treeDir holds the directories above a container's mounts.
func (w *worker) treeDir(container string) string { return filepath.Join(w.dir, "mounts", container) }

// mountVolumes makes every volume hold what the API server has now. It is called before the containers start, and again
// when the pod object changed, at every sync period, and when a token is due.
func (w *worker) mountVolumes(ctx context.Context) error {
	w.tokens.due = time.Time{}
	for i := range w.spec.Volumes {
		v := &w.spec.Volumes[i]
		if v.EmptyDir != nil {
			if err := os.MkdirAll(w.volumeDir(v.Name), 0o777); err != nil {
				return err
			}
			continue
		}
		sources, mode, err := projections(v)
		if err != nil {
			return err
		}
		files, err := w.project(ctx, v.Name, sources, mode)
		if err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		}
		if _, err := volume.Write(w.volumeDir(v.Name), files); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		}
	}
	return nil
}

// projections sees every kind of API volume as a projected one.
func projections(v *corev1.Volume) ([]corev1.VolumeProjection, *int32, error) {
	switch {
	case v.Projected != nil:
		return v.Projected.Sources, v.Projected.DefaultMode, nil
	case v.ConfigMap != nil:
		return []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: v.ConfigMap.LocalObjectReference, Items: v.ConfigMap.Items, Optional: v.ConfigMap.Optional,
		}}}, v.ConfigMap.DefaultMode, nil
	case v.Secret != nil:
		return []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: v.Secret.SecretName}, Items: v.Secret.Items, Optional: v.Secret.Optional,
		}}}, v.Secret.DefaultMode, nil
	case v.DownwardAPI != nil:
		return []corev1.VolumeProjection{{DownwardAPI: &corev1.DownwardAPIProjection{Items: v.DownwardAPI.Items}}}, v.DownwardAPI.DefaultMode, nil
	}
	return nil, nil, fmt.Errorf("volume %q: the sandbox has configMap, secret, downwardAPI, projected and emptyDir: use one of them", v.Name)
}

// project collects the files of a volume; of two sources with the same path the later one wins.
func (w *worker) project(ctx context.Context, name string, sources []corev1.VolumeProjection, mode *int32) (map[string]volume.File, error) {
	files := map[string]volume.File{}
	add := func(path string, data []byte, own *int32) {
		files[path] = volume.File{Data: data, Mode: fileMode(own, mode)}
	}
	for i := range sources {
		s := &sources[i]
		var err error
		switch {
		case s.ConfigMap != nil:
			err = w.projectConfigMap(ctx, s.ConfigMap, add)
		case s.Secret != nil:
			err = w.projectSecret(ctx, s.Secret, add)
		case s.DownwardAPI != nil:
			err = w.projectFields(s.DownwardAPI, add)
		case s.ServiceAccountToken != nil:
			var token string
			token, err = w.tokens.get(ctx, w, name, s.ServiceAccountToken)
			add(s.ServiceAccountToken.Path, []byte(token), nil)
		default:
			err = fmt.Errorf("source %d: the sandbox projects configMap, secret, downwardAPI and serviceAccountToken: use one of them", i)
		}
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (w *worker) projectConfigMap(ctx context.Context, p *corev1.ConfigMapProjection, add func(string, []byte, *int32)) error {
	m, err := w.configMap(ctx, p.Name, p.Optional)
	if m == nil {
		return err
	}
	data := make(map[string][]byte, len(m.Data)+len(m.BinaryData))
	for k, v := range m.Data {
		data[k] = []byte(v)
	}
	for k, v := range m.BinaryData {
		data[k] = v
	}
	return project(data, p.Items, p.Optional, "configmap", p.Name, add)
}

func (w *worker) projectSecret(ctx context.Context, p *corev1.SecretProjection, add func(string, []byte, *int32)) error {
	s, err := w.secret(ctx, p.Name, p.Optional)
	if s == nil {
		return err
	}
	return project(s.Data, p.Items, p.Optional, "secret", p.Name, add)
}

// project adds every key, or only the items under their own paths.
func project(data map[string][]byte, items []corev1.KeyToPath, optional *bool, kind, name string, add func(string, []byte, *int32)) error {
	if len(items) == 0 {
		for k, v := range data {
			add(k, v, nil)
		}
		return nil
	}
	for _, i := range items {
		v, ok := data[i.Key]
		switch {
		case ok:
			add(i.Path, v, i.Mode)
		case optional == nil || !*optional:
			return fmt.Errorf("%s %q references non-existent config key: %s", kind, name, i.Key)
		}
	}
	return nil
}

func (w *worker) projectFields(p *corev1.DownwardAPIProjection, add func(string, []byte, *int32)) error {
	for _, i := range p.Items {
		var value string
		var err error
		switch {
		case i.FieldRef != nil:
			value, err = field(w.pod, w.ip, i.FieldRef.FieldPath)
		case i.ResourceFieldRef != nil:
			value, err = resourceField(w.pod, nil, i.ResourceFieldRef)
		default:
			err = fmt.Errorf("item %q: write fieldRef or resourceFieldRef", i.Path)
		}
		if err != nil {
			return err
		}
		add(i.Path, []byte(value), i.Mode)
	}
	return nil
}

// fileMode is the file's own mode, else the volume's, else 0644 as in Kubernetes.
func fileMode(own, volume *int32) fs.FileMode {
	switch {
	case own != nil:
		return fs.FileMode(*own) & fs.ModePerm
	case volume != nil:
		return fs.FileMode(*volume) & fs.ModePerm
	}
	return 0o644
}
