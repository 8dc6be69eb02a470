{{/* Generators that a role may name. */}}
{{- define "external-secrets.generators" -}}
- acraccesstokens
- beyondtrustworkloadcredentialsdynamicsecrets
- cloudsmithaccesstokens
{{- if and .Values.processClusterGenerator (not .Values.scopedRBAC) }}
- clustergenerators
{{- end }}
- ecrauthorizationtokens
- fakes
- gcraccesstokens
- githubaccesstokens
- gitlabdeploytokens
- grafanas
- mfas
- passwords
- quayaccesstokens
- sshkeys
- stssessiontokens
- uuids
- vaultdynamicsecrets
- webhooks
{{- end }}

{{/* The kinds that people write. */}}
{{- define "external-secrets.written" -}}
- externalsecrets
- secretstores
{{- if and .Values.processClusterStore (not .Values.scopedRBAC) }}
- clustersecretstores
{{- end }}
{{- if .Values.processPushSecret }}
- pushsecrets
{{- end }}
{{- if and .Values.processClusterPushSecret (not .Values.scopedRBAC) }}
- clusterpushsecrets
{{- end }}
{{- end }}

{{/* Head of a role of the controller, or of people, which a scoped install has in one namespace. */}}
{{- define "external-secrets.roleHead" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .root.Values.scopedRBAC | ternary "Role" "ClusterRole" }}
metadata:
  name: {{ include "external-secrets.fullname" .root }}-{{ .name }}
  {{- if .root.Values.scopedRBAC }}
  namespace: {{ include "external-secrets.scope" .root }}
  {{- end }}
  labels:
    {{- include "external-secrets.labels" (dict "root" .root "part" "controller" "more" .more) | nindent 4 }}
{{- end }}
