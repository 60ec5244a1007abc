package apiserver

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxDataBytes bounds the data of a ConfigMap or Secret.
const maxDataBytes = corev1.MaxSecretSize

func configMapRules() rules {
	return rules{
		name:  subdomainName,
		check: checked(validateConfigMap),
		change: changed(func(c, old *corev1.ConfigMap) field.ErrorList {
			same := apiequality.Semantic.DeepEqual(c.Data, old.Data) && apiequality.Semantic.DeepEqual(c.BinaryData, old.BinaryData)
			return validateImmutable(c.Immutable, old.Immutable, same)
		}),
	}
}

func validateConfigMap(c *corev1.ConfigMap) field.ErrorList {
	var errs field.ErrorList
	size := 0
	for _, key := range slices.Sorted(maps.Keys(c.Data)) {
		errs = append(errs, messages(validation.IsConfigMapKey(key), key, field.NewPath("data").Key(key))...)
		if _, ok := c.BinaryData[key]; ok {
			errs = append(errs, field.Invalid(field.NewPath("data").Key(key), key, "duplicate of key present in binaryData"))
		}
		size += len(c.Data[key])
	}
	for _, key := range slices.Sorted(maps.Keys(c.BinaryData)) {
		errs = append(errs, messages(validation.IsConfigMapKey(key), key, field.NewPath("binaryData").Key(key))...)
		size += len(c.BinaryData[key])
	}
	return append(errs, validateDataSize(size)...)
}

func validateDataSize(size int) field.ErrorList {
	if size <= maxDataBytes {
		return nil
	}
	return field.ErrorList{field.TooLong(field.NewPath(""), "", maxDataBytes)}
}

func validateImmutable(now, was *bool, sameData bool) field.ErrorList {
	if was == nil || !*was {
		return nil
	}
	var errs field.ErrorList
	if now == nil || !*now {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), "field is immutable when `immutable` is set"))
	}
	if !sameData {
		errs = append(errs, field.Forbidden(field.NewPath("data"), "field is immutable when `immutable` is set"))
	}
	return errs
}

func secretRules() rules {
	return rules{
		name: subdomainName,
		// stringData is for writing only.
		prepare: func(obj, _ runtime.Object) {
			s := obj.(*corev1.Secret)
			for key, value := range s.StringData {
				if s.Data == nil {
					s.Data = map[string][]byte{}
				}
				s.Data[key] = []byte(value)
			}
			s.StringData = nil
		},
		check: checked(validateSecret),
		change: changed(func(s, old *corev1.Secret) field.ErrorList {
			errs := validateImmutable(s.Immutable, old.Immutable, maps.EqualFunc(s.Data, old.Data, bytes.Equal))
			if s.Type != old.Type {
				errs = append(errs, field.Invalid(field.NewPath("type"), s.Type, "field is immutable"))
			}
			return errs
		}),
	}
}

func validateSecret(s *corev1.Secret) field.ErrorList {
	var errs field.ErrorList
	size := 0
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		errs = append(errs, messages(validation.IsConfigMapKey(key), key, field.NewPath("data").Key(key))...)
		size += len(s.Data[key])
	}
	for _, key := range secretKeys(s.Type) {
		if _, ok := s.Data[key]; !ok {
			errs = append(errs, field.Required(field.NewPath("data").Key(key), fmt.Sprintf("a Secret of type %s has it", s.Type)))
		}
	}
	return append(errs, validateDataSize(size)...)
}

// secretKeys are those that a Secret of a type must have.
func secretKeys(t corev1.SecretType) []string {
	switch t {
	case corev1.SecretTypeTLS:
		return []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey}
	case corev1.SecretTypeDockerConfigJson:
		return []string{corev1.DockerConfigJsonKey}
	case corev1.SecretTypeSSHAuth:
		return []string{corev1.SSHAuthPrivateKey}
	}
	return nil
}
