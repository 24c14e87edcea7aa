{{/* Names and labels. */}}

{{- define "flowcept.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for what is appended: "-headless", and the number and hash of a pod. */}}
{{- define "flowcept.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains (include "flowcept.name" .) .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "flowcept.name" .) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What tells the pods of this release from others; a workload's selector can never be changed. */}}
{{- define "flowcept.selectorLabels" -}}
app.kubernetes.io/name: {{ include "flowcept.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "flowcept.labels" -}}
app.kubernetes.io/name: {{ include "flowcept.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Name, namespace and labels of a resource: (list $ "suffix" "component"). */}}
{{- define "flowcept.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "flowcept.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "flowcept.labels" $root | nindent 2 }}
  app.kubernetes.io/component: {{ index . 2 }}
{{- end -}}

{{- define "flowcept.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "flowcept.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "flowcept.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* "true" where the chart makes the token: nothing else says who may call. */}}
{{- define "flowcept.makesToken" -}}
{{- if not (or .Values.auth.insecure .Values.auth.tokens.existingSecret .Values.auth.oidc.issuer .Values.tls.clientCa.existingSecret) -}}
true
{{- end -}}
{{- end -}}

{{/* The secret with the tokens file; empty where there is none. */}}
{{- define "flowcept.tokensSecret" -}}
{{- if include "flowcept.makesToken" . -}}
{{ include "flowcept.fullname" . }}-token
{{- else -}}
{{ .Values.auth.tokens.existingSecret }}
{{- end -}}
{{- end -}}
