{{/* What things are called, and their labels. Names, labels and selectors are those of ESO's chart: a selector can't be
changed, and its release is to be upgraded in place. */}}

{{- define "external-secrets.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "external-secrets.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "external-secrets.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{/* The full name with a suffix, cut so that both fit into a label: (list $ "-webhook"). */}}
{{- define "external-secrets.suffixed" -}}
{{- $suffix := index . 1 -}}
{{ include "external-secrets.fullname" (index . 0) | trunc (sub 63 (len $suffix) | int) | trimSuffix "-" }}{{ $suffix }}
{{- end }}

{{- define "external-secrets.serviceAccountName" -}}
{{- $own := ternary (include "external-secrets.fullname" .) "default" .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default $own }}
{{- end }}

{{- define "external-secrets-webhook.serviceAccountName" -}}
{{- $own := ternary "external-secrets-webhook" "default" .Values.webhook.serviceAccount.create -}}
{{ .Values.webhook.serviceAccount.name | default $own }}
{{- end }}

{{/* The namespace that a scoped install is about. */}}
{{- define "external-secrets.scope" -}}
{{ .Values.scopedNamespace | default .Release.Namespace }}
{{- end }}

{{- define "external-secrets.selectorLabels" -}}
app.kubernetes.io/name: {{ include "external-secrets.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "external-secrets-webhook.selectorLabels" -}}
app.kubernetes.io/name: {{ include "external-secrets.name" . }}-webhook
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of an object: (dict "root" $ "part" "controller"), with further ones in "more". Made as one map, so that no
label comes twice; those that selectors go by can't be overridden. */}}
{{- define "external-secrets.labels" -}}
{{- $root := .root -}}
{{- $chart := printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $own := dict "helm.sh/chart" $chart "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service "app.kubernetes.io/component" .part -}}
{{- $selector := ternary "external-secrets-webhook.selectorLabels" "external-secrets.selectorLabels" (eq .part "webhook") -}}
{{- mergeOverwrite $own ($root.Values.commonLabels | default dict) (.more | default dict)
  (include $selector $root | fromYaml) | toYaml -}}
{{- end }}
