{{/* What the pods of the Deployment and of the Jobs have in common. */}}
{{- define "vestibule.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.podSecurity.userId }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .Values.podSecurity.groupId }}
runAsGroup: {{ int64 . }}
# The files of secrets belong to root; by this group the program may read them, and nobody else.
fsGroup: {{ int64 . }}
{{- end }}
# Otherwise each start would open the keys file on the volume to the group.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "vestibule.container" -}}
image: {{ include "vestibule.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{/* The environment: (dict "root" $ "traced" true). The name of the pod has to stand before what it is put into. */}}
{{- define "vestibule.env" -}}
{{- $root := .root -}}
- name: VESTIBULE_CONFIG
  value: /etc/vestibule/config/vestibule.toml
{{- if and .traced $root.Values.telemetry.otlp.endpoint }}
{{- with $root.Values.telemetry }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .otlp.endpoint | quote }}
{{- with .otlp.headersSecret }}
{{- if .name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .name }}
      key: {{ .key }}
{{- end }}
{{- end }}
- name: OTEL_SERVICE_NAME
  value: {{ .serviceName | quote }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ printf "k8s.namespace.name=%s,k8s.deployment.name=%s,k8s.pod.name=$(POD_NAME)" $root.Release.Namespace (include "vestibule.fullname" $root) }}
    {{- range $name, $text := .resourceAttributes }},{{ $name }}={{ $text | replace "%" "%25" | replace "," "%2C" | replace "=" "%3D" | replace " " "%20" }}{{ end }}
- name: OTEL_TRACES_SAMPLER
  value: {{ .sampler }}
{{- if and .samplerRatio (hasSuffix "traceidratio" .sampler) }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .samplerRatio | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vestibule.envFrom" -}}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What the server, and whatever works on its database beside it, has mounted. */}}
{{- define "vestibule.volumeMounts" -}}
- name: config
  mountPath: /etc/vestibule/config
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if include "vestibule.isSqlite" . }}
- name: data
  mountPath: /var/lib/vestibule
{{- else }}
- name: database
  mountPath: /etc/vestibule/database
  readOnly: true
{{- end }}
{{- if include "vestibule.hasKeys" . }}
- name: keys
  mountPath: /etc/vestibule/keys
  readOnly: true
{{- end }}
{{- if .Values.catalogues }}
- name: catalogues
  mountPath: /etc/vestibule/catalogues
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vestibule.volumes" -}}
- name: config
  configMap:
    name: {{ include "vestibule.fullname" . }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSizeLimit }}
{{- if include "vestibule.isSqlite" . }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.database.sqlite.existingClaim | default (include "vestibule.fullname" .) }}
{{- else }}
{{ include "vestibule.databaseVolume" (dict "root" . "secret" (include "vestibule.databaseSecret" .)) }}
{{- end }}
{{- if include "vestibule.hasKeys" . }}
- name: keys
  secret:
    secretName: {{ include "vestibule.keysSecret" . }}
    # For its owner; Kubernetes adds the pod's group.
    defaultMode: 0400
    items:
      - key: {{ ternary .Values.keys.secretKey "keys" (not (empty .Values.keys.existingSecret)) }}
        path: keys
{{- end }}
{{- if .Values.catalogues }}
- name: catalogues
  configMap:
    name: {{ include "vestibule.fullname" . }}-catalogues
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (dict "root" $ "secret" name) */}}
{{- define "vestibule.databaseVolume" -}}
- name: database
  secret:
    secretName: {{ .secret }}
    defaultMode: 0400
    items:
      - key: {{ ternary "url" .root.Values.database.secretKey .root.Values.externalSecrets.enabled }}
        path: url
{{- end }}

{{/* What every pod says beside its containers. */}}
{{- define "vestibule.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "vestibule.podSecurityContext" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
