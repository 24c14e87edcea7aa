{{/* The pod, which is the same in both modes but for where its data is. */}}

{{/* Above the sum of what a pod does at its end: sleeping, draining, and closing the store, for which a database that is
away is given 15 seconds. */}}
{{- define "flowcept.gracePeriodSeconds" -}}
{{- add .Values.preStopSleepSeconds .Values.drainSeconds 20 -}}
{{- end -}}

{{/* What the chart sets by itself; each is a setting of the service. */}}
{{- define "flowcept.settings" -}}
LISTEN: {{ printf "%s:50051" .Values.listenHost | quote }}
HEALTH_LISTEN: {{ printf "%s:50052" .Values.listenHost | quote }}
{{- if .Values.metrics.enabled }}
HTTP_LISTEN: {{ printf "%s:9464" .Values.listenHost | quote }}
{{- end }}
DRAIN_SECONDS: {{ .Values.drainSeconds | quote }}
LOG_LEVEL: {{ .Values.log.level | quote }}
LOG_FORMAT: {{ .Values.log.format | quote }}
STATUS_FILE: /tmp/status.json
{{- if eq .Values.mode "embedded" }}
{{- /* A second store follows the first as a copy. */}}
STORE: {{ empty .Values.mongodb.existingSecret | ternary "lmdb" "lmdb,mongodb" | quote }}
DATA_DIR: /var/lib/flowcept/data
{{- else }}
STORE: mongodb
CONNECTION_AGE_SECONDS: {{ .Values.connectionAgeSeconds | quote }}
{{- end }}
{{- with .Values.tls.existingSecret }}
TLS_CERT_FILE: /etc/flowcept/tls/tls.crt
TLS_KEY_FILE: /etc/flowcept/tls/tls.key
{{- end }}
{{- with .Values.tls.clientCa }}
{{- if .existingSecret }}
TLS_CLIENT_CA_FILE: {{ printf "/etc/flowcept/client-ca/%s" .key | quote }}
{{- end }}
{{- end }}
{{- if include "flowcept.tokensSecret" . }}
AUTH_TOKENS_FILE: {{ printf "/etc/flowcept/tokens/%s" .Values.auth.tokens.key | quote }}
{{- end }}
{{- with .Values.auth.oidc }}
{{- if .issuer }}
AUTH_OIDC_ISSUER: {{ .issuer | quote }}
AUTH_OIDC_AUDIENCE: {{ .audience | quote }}
{{- if .jwksUrl }}
AUTH_OIDC_JWKS_URL: {{ .jwksUrl | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if or .Values.auth.insecure (not .Values.tls.existingSecret) }}
INSECURE: "true"
{{- end }}
{{- with .Values.tracing }}
{{- if .endpoint }}
TRACE_ENDPOINT: {{ .endpoint | quote }}
TRACE_RATIO: {{ .ratio | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "flowcept.env" -}}
{{- range $name, $value := merge (include "flowcept.settings" . | fromYaml) .Values.settings }}
- name: FLOWCEPT_SERVICE_{{ $name }}
  {{- /* As JSON, since Helm's numbers are floats and 1209600 would become 1.2096e+06. */}}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- if .Values.mongodb.existingSecret }}
- name: FLOWCEPT_SERVICE_MONGODB_URI
  valueFrom:
    secretKeyRef:
      name: {{ .Values.mongodb.existingSecret }}
      key: {{ .Values.mongodb.key }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Secrets as directories: of a file mounted alone, Kubernetes would never bring the new content. */}}
{{- define "flowcept.secretVolumes" -}}
{{- $mounts := dict "tls" .Values.tls.existingSecret "client-ca" .Values.tls.clientCa.existingSecret "tokens" (include "flowcept.tokensSecret" .) -}}
{{- $keys := dict "tls" (list "tls.crt" "tls.key") "client-ca" (list .Values.tls.clientCa.key) "tokens" (list .Values.auth.tokens.key) -}}
{{- $volumes := list -}}
{{- range $name, $secret := $mounts -}}
{{- if $secret -}}
{{- $items := list -}}
{{- range get $keys $name -}}{{- $items = append $items (dict "key" . "path" .) -}}{{- end -}}
{{- $volumes = append $volumes (dict "name" $name "secret" (dict "secretName" $secret "items" $items)) -}}
{{- end -}}
{{- end -}}
{{- if $volumes -}}{{- toYaml $volumes -}}{{- end -}}
{{- end -}}

{{- define "flowcept.podMetadata" -}}
labels:
  {{- include "flowcept.selectorLabels" . | nindent 2 }}
  {{- /* Not the chart's version: a new chart alone is no reason to restart pods. */}}
  {{- range list .Values.commonLabels .Values.podLabels }}
  {{- with . }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: flowcept
  {{- with .Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "flowcept.probe" -}}
grpc:
  port: 50052
  service: {{ index . 0 }}
{{ toYaml (index . 1) }}
{{- end -}}

{{- define "flowcept.podSpec" -}}
serviceAccountName: {{ include "flowcept.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "flowcept.gracePeriodSeconds" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
containers:
  - name: flowcept
    image: {{ include "flowcept.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [serve]
    env:
      {{- include "flowcept.env" . | trim | nindent 6 }}
    {{- with .Values.extraEnvFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    ports:
      - name: grpc
        containerPort: 50051
      - name: health
        containerPort: 50052
      {{- if .Values.metrics.enabled }}
      - name: http
        containerPort: 9464
      {{- end }}
    # In plain text on a port of its own, since the kubelet speaks no TLS and has no token.
    startupProbe:
      {{- include "flowcept.probe" (list "liveness" .Values.probes.startup) | nindent 6 }}
    readinessProbe:
      {{- include "flowcept.probe" (list "readiness" .Values.probes.readiness) | nindent 6 }}
    livenessProbe:
      {{- include "flowcept.probe" (list "liveness" .Values.probes.liveness) | nindent 6 }}
    lifecycle:
      preStop:
        sleep:
          seconds: {{ .Values.preStopSleepSeconds }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    volumeMounts:
      - name: tmp
        mountPath: /tmp
      {{- if eq .Values.mode "embedded" }}
      - name: data
        mountPath: /var/lib/flowcept
      {{- end }}
      {{- range include "flowcept.secretVolumes" . | fromYamlArray }}
      - name: {{ .name }}
        mountPath: /etc/flowcept/{{ .name }}
        readOnly: true
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- if eq .Values.mode "embedded" }}
  {{- if not .Values.persistence.enabled }}
  - name: data
    emptyDir:
      sizeLimit: {{ .Values.persistence.size }}
  {{- else if .Values.persistence.existingClaim }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ .Values.persistence.existingClaim }}
  {{- end }}
  {{- end }}
  {{- with include "flowcept.secretVolumes" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
