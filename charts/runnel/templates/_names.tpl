{{/* Name of all objects: the release's, with the chart's unless it says it already. 40 bytes leave room for what is added to it. */}}
{{- define "runnel.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels that select the operator's pods: they never change. */}}
{{- define "runnel.selector" -}}
app.kubernetes.io/name: runnel
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of every object. managed-by is Helm: objects of the operator's own are told apart by theirs. */}}
{{- define "runnel.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "runnel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "runnel.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (printf "%s-operator" (include "runnel.name" .)) }}
{{- end }}

{{- define "runnel.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
