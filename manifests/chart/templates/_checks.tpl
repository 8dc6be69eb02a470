{{/* Values that can't be meant so, and questions that several templates ask. */}}

{{- define "external-secrets.check" -}}
{{- if and .Values.shards .Values.leaderElect -}}
  {{- fail "leaderElect and shards exclude each other: with leaderElect one replica works, with shards all do. Leave one of them out" -}}
{{- end -}}
{{- if index .Values "bitwarden-sdk-server" | default dict | dig "enabled" false -}}
  {{- fail "bitwarden-sdk-server.enabled: the SDK server is not part of this chart, and there is no Bitwarden provider yet. Stay with External Secrets Operator for Bitwarden, or set it to false" -}}
{{- end -}}
{{- if and .Values.webhook.create .Values.webhook.autoscaling.enabled (gt (int .Values.webhook.autoscaling.minReplicas) (int .Values.webhook.autoscaling.maxReplicas)) -}}
  {{- fail "webhook.autoscaling.minReplicas is greater than webhook.autoscaling.maxReplicas" -}}
{{- end -}}
{{- end }}

{{/* Whether one of several replicas is to lead. */}}
{{- define "external-secrets.elects" -}}
{{- if or .Values.leaderElect (and (gt (int .Values.replicaCount) 1) (not .Values.shards)) }}true{{ end -}}
{{- end }}

{{/* The port of the controller's probes: a number in httpGet.port says it too. */}}
{{- define "external-secrets.livePort" -}}
{{- $spec := .Values.livenessProbe.spec -}}
{{ kindIs "string" $spec.httpGet.port | ternary $spec.port $spec.httpGet.port | int }}
{{- end }}

{{/* The port of the webhook's probes; a name in its place means the default. */}}
{{- define "external-secrets-webhook.healthPort" -}}
{{- $port := .Values.webhook.readinessProbe.port -}}
{{ kindIs "string" $port | ternary 8081 $port | int }}
{{- end }}

{{- define "external-secrets-webhook.hasBudget" -}}
{{- $budget := .Values.webhook.podDisruptionBudget.enabled -}}
{{- $scaling := .Values.webhook.autoscaling -}}
{{- $replicas := ternary $scaling.minReplicas .Values.webhook.replicaCount $scaling.enabled -}}
{{- if and .Values.webhook.create (kindIs "bool" $budget | ternary $budget (gt (int $replicas) 1)) }}true{{ end -}}
{{- end }}

{{/* Whether ServiceMonitors are to be rendered. */}}
{{- define "external-secrets.monitored" -}}
{{- if .Values.serviceMonitor.enabled -}}
  {{- $known := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1/ServiceMonitor" -}}
  {{- $mode := .Values.serviceMonitor.renderMode | default "skipIfMissing" -}}
  {{- if and (eq $mode "failIfMissing") (not $known) -}}
    {{- fail "serviceMonitor.renderMode is failIfMissing, and the cluster has no monitoring.coreos.com/v1 ServiceMonitor: install the Prometheus operator's CRDs first, or set another mode" -}}
  {{- end -}}
  {{- if or $known (eq $mode "alwaysRender") }}true{{ end -}}
{{- end -}}
{{- end }}

{{/* How many pods a disruption budget lets go. */}}
{{- define "external-secrets.allowance" -}}
{{- if hasKey . "maxUnavailable" -}}
maxUnavailable: {{ .maxUnavailable }}
{{- else -}}
minAvailable: {{ .minAvailable }}
{{- end -}}
{{- end }}

{{/* Everywhere but in the webhook's own namespace: it must not be able to keep its own release from being installed. */}}
{{- define "external-secrets-webhook.elsewhere" -}}
namespaceSelector:
  matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [{{ include "external-secrets.namespace" . }}]}
{{- end }}

{{/* Address families of all Services. */}}
{{- define "external-secrets.families" -}}
{{- $families := dict -}}
{{- with .Values.service.ipFamilyPolicy }}{{ $_ := set $families "ipFamilyPolicy" . }}{{ end -}}
{{- with .Values.service.ipFamilies }}{{ $_ := set $families "ipFamilies" . }}{{ end -}}
{{- with $families }}{{ toYaml . }}{{ end -}}
{{- end }}
