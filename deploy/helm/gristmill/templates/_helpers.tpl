{{/* The name of every object. */}}
{{- define "gristmill.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the pods; never changes over a release's life. */}}
{{- define "gristmill.selector" -}}
app.kubernetes.io/name: gristmill
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gristmill.labels" -}}
{{ include "gristmill.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "gristmill.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "gristmill.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "gristmill.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* The Secret that is mounted; empty where there is none. */}}
{{- define "gristmill.secret" -}}
{{- with .Values.secret -}}
{{- if and .existing .data -}}
{{- fail "secret.existing and secret.data: a Secret that exists is not written, give one of them" -}}
{{- end -}}
{{- range $variable, $key := .files -}}
{{- if and (not $.Values.secret.existing) (not (hasKey $.Values.secret.data $key)) -}}
{{- fail (printf "secret.files.%s names the key %s, which secret.data does not have, and secret.existing names no Secret" $variable $key) -}}
{{- end -}}
{{- end -}}
{{- if .existing -}}
{{ .existing }}
{{- else if .data -}}
{{ include "gristmill.name" $ }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the engine and the test have in common. */}}
{{- define "gristmill.container" -}}
image: {{ include "gristmill.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - configMapRef:
      name: {{ include "gristmill.name" . }}
env:
  - name: GRISTMILL_HTTP_ADDR
    value: 0.0.0.0:9090
  - name: GRISTMILL_DRAIN_TIMEOUT
    value: {{ printf "%vs" .Values.drainSeconds }}
  # Static membership: a pod that is restarted takes up its partitions without a rebalance.
  - name: GRISTMILL_INSTANCE_ID
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- if .Values.contract }}
  - name: GRISTMILL_CONTRACT
    value: /etc/gristmill/contract/contract.toml
  {{- end }}
  {{- range $variable, $key := .Values.secret.files }}
  - name: {{ $variable }}
    value: /etc/gristmill/secret/{{ $key }}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- if or .Values.contract (include "gristmill.secret" .) }}
volumeMounts:
  {{- if .Values.contract }}
  - name: contract
    mountPath: /etc/gristmill/contract
    readOnly: true
  {{- end }}
  {{- if include "gristmill.secret" . }}
  - name: secret
    mountPath: /etc/gristmill/secret
    readOnly: true
  {{- end }}
{{- end }}
{{- end -}}

{{/* The same for the pod. */}}
{{- define "gristmill.pod" -}}
serviceAccountName: {{ include "gristmill.serviceAccount" . }}
automountServiceAccountToken: false
# Else Kubernetes announces services in the environment, and one called kafka looks like settings of ours.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- if or .Values.contract (include "gristmill.secret" .) }}
volumes:
  {{- if .Values.contract }}
  - name: contract
    configMap:
      name: {{ include "gristmill.name" . }}-contract
  {{- end }}
  {{- with include "gristmill.secret" . }}
  - name: secret
    secret:
      secretName: {{ . }}
      defaultMode: 0440
  {{- end }}
{{- end }}
{{- end -}}
