{{/* Names and labels. A selector never holds what changes with a version: it cannot be changed afterwards. */}}
{{- define "vestibule.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "vestibule.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "vestibule.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "vestibule.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "vestibule.instanceLabels" -}}
app.kubernetes.io/name: {{ include "vestibule.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Jobs are other components, so that no Service sends them requests. */}}
{{- define "vestibule.selectorLabels" -}}
{{ include "vestibule.instanceLabels" . }}
app.kubernetes.io/component: server
{{- end }}

{{/* The head of every object: (dict "root" $ "name" … "component" … "labels" {} "annotations" {}). */}}
{{- define "vestibule.metadata" -}}
{{- $root := .root -}}
name: {{ .name | default (include "vestibule.fullname" $root) }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "vestibule.instanceLabels" $root | nindent 2 }}
  app.kubernetes.io/component: {{ .component | default "server" }}
  app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
  {{- with merge (dict) (.labels | default dict) $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What makes an object part of the migration: it comes before everything else, in the order of the weights, and goes when all went well. */}}
{{- define "vestibule.migrationHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "vestibule.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "vestibule.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "vestibule.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* The host of publicUrl, without its port: Ingress and HTTPRoute match by name alone. */}}
{{- define "vestibule.host" -}}
{{- regexReplaceAll ":[0-9]+$" (get (urlParse .Values.publicUrl) "host") "" }}
{{- end }}

{{- define "vestibule.isSqlite" -}}
{{- if eq .Values.database.engine "sqlite" }}true{{ end }}
{{- end }}

{{/* How many pods there may be at once, and at least. */}}
{{- define "vestibule.isMany" -}}
{{- if ternary (gt (int .Values.autoscaling.minReplicas) 1) (gt (int .Values.replicaCount) 1) .Values.autoscaling.enabled }}true{{ end }}
{{- end }}

{{/* The secrets, whoever makes them. */}}
{{- define "vestibule.databaseSecret" -}}
{{- if .Values.externalSecrets.enabled -}}
{{ include "vestibule.fullname" . }}-secrets
{{- else -}}
{{ .Values.database.existingSecret }}
{{- end }}
{{- end }}

{{- define "vestibule.hasKeys" -}}
{{- if or .Values.keys.existingSecret (and .Values.externalSecrets.enabled .Values.externalSecrets.keys.key) }}true{{ end }}
{{- end }}

{{- define "vestibule.keysSecret" -}}
{{- .Values.keys.existingSecret | default (printf "%s-secrets" (include "vestibule.fullname" .)) }}
{{- end }}

{{/* "20s", "2m", "12h" or "1d" in seconds. */}}
{{- define "vestibule.seconds" -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get (dict "s" 1 "m" 60 "h" 3600 "d" 86400) (regexFind "[smhd]$" .)) }}
{{- end }}

{{/* How long a pod needs to end: the program's own settings, or its defaults where they were taken out. */}}
{{- define "vestibule.endSeconds" -}}
{{- $server := .Values.config.server | default dict }}
{{- add (include "vestibule.seconds" ($server.shutdown_delay | default "0s")) (include "vestibule.seconds" ($server.shutdown_grace | default "20s")) }}
{{- end }}

{{- define "vestibule.terminationSeconds" -}}
{{- .Values.terminationGracePeriodSeconds | default (add (include "vestibule.endSeconds" .) 10) | int64 }}
{{- end }}
