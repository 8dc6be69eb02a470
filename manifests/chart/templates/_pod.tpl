{{/* What the pods of both deployments have in common. */}}

{{/* (dict "root" $ "image" .Values.image "program" "controller"). ESO's own image, which a copy of its values names, can't
run with these arguments: ours is taken for it, in our version. */}}
{{- define "external-secrets.image" -}}
{{- $image := .image -}}
{{- $shared := .root.Values.global.repository -}}
{{- if and $shared (not (include "external-secrets.foreignImage" $shared)) -}}
  {{- $image = merge (dict "repository" (printf "%s/%s" $shared .program)) $image -}}
{{- else if include "external-secrets.foreignImage" $image.repository -}}
  {{- $image = dict "repository" (printf "external-secrets-rs/%s" .program) -}}
{{- end -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ with $image.flavour }}-{{ . }}{{ end }}
{{- end }}

{{- define "external-secrets.foreignImage" -}}
{{- if hasSuffix "external-secrets.io/external-secrets/external-secrets" . }}true{{ end -}}
{{- if eq "ghcr.io/external-secrets/external-secrets" . }}true{{ end -}}
{{- end }}

{{/* (dict "root" $ "context" .Values.securityContext): empty if it is switched off or says nothing. */}}
{{- define "external-secrets.securityContext" -}}
{{- $context := .context | default dict -}}
{{- if $context.enabled -}}
  {{- $mode := dig "compatibility" "openshift" "adaptSecurityContext" "auto" .root.Values.global -}}
  {{- $openshift := .root.Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
  {{- if or (eq $mode "force") (and (eq $mode "auto") $openshift) -}}
    {{- $context = omit $context "fsGroup" "runAsUser" "runAsGroup" -}}
  {{- end -}}
  {{- with omit $context "enabled" }}{{ toYaml . }}{{ end -}}
{{- end -}}
{{- end }}

{{/* The flags of extraArgs. A false stays a false. */}}
{{- define "external-secrets.extraArgs" -}}
{{- range $name, $value := . }}
- {{ if or (kindIs "invalid" $value) (eq (toString $value) "") -}}
    {{- printf "--%s" $name | quote -}}
  {{- else if kindIs "string" $value -}}
    {{- printf "--%s=%s" $name $value | quote -}}
  {{- else -}}
    {{- printf "--%s=%s" $name (toJson $value) | quote -}}
  {{- end }}
{{- end }}
{{- end }}

{{/* The pod's fields that both deployments take from their values or, where these say nothing, from global:
(dict "root" $ "values" .Values.webhook "selector" "external-secrets-webhook.selectorLabels"), with the spread constraints to
begin with in "spread". */}}
{{- define "external-secrets.podFields" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $global := $root.Values.global -}}
{{- $fields := dict -}}
{{- range $name := list "imagePullSecrets" "hostAliases" "nodeSelector" "affinity" "tolerations" -}}
  {{- with index $values $name | default (index $global $name) }}{{ $_ := set $fields $name . }}{{ end -}}
{{- end -}}
{{- range $name := list "priorityClassName" "schedulerName" "runtimeClassName" "hostNetwork" "terminationGracePeriodSeconds" -}}
  {{- with index $values $name }}{{ $_ := set $fields $name . }}{{ end -}}
{{- end -}}
{{- $spread := list -}}
{{- $labels := dict "matchLabels" (include .selector $root | fromYaml) -}}
{{- range $values.topologySpreadConstraints | default $global.topologySpreadConstraints | default .spread -}}
  {{- $spread = append $spread (hasKey . "labelSelector" | ternary . (merge (dict) . (dict "labelSelector" $labels))) -}}
{{- end -}}
{{- with $spread }}{{ $_ := set $fields "topologySpreadConstraints" . }}{{ end -}}
{{- if and (kindIs "bool" $values.hostUsers) (semverCompare ">= 1.33-0" $root.Capabilities.KubeVersion.Version) -}}
  {{- $_ := set $fields "hostUsers" $values.hostUsers -}}
{{- end -}}
{{- with include "external-secrets.securityContext" (dict "root" $root "context" $values.podSecurityContext) -}}
  {{- $_ := set $fields "securityContext" (fromYaml .) -}}
{{- end -}}
{{- toYaml $fields -}}
{{- end }}
