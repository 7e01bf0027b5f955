{{/* What no schema can see: values that do not go together. Each refusal names the value and says what to do. */}}
{{- define "vestibule.validate" -}}
{{- $sqlite := include "vestibule.isSqlite" . }}
{{- if not .Values.publicUrl }}
{{- fail "publicUrl is required: the https address that browsers, identity providers and portals know Vestibule by" }}
{{- end }}
{{- if not (hasPrefix "https://" .Values.publicUrl) }}
{{- fail (printf "publicUrl must begin with https://, and is %q: encryption ends at the ingress or gateway, and browsers send our cookies by https alone" .Values.publicUrl) }}
{{- end }}
{{- if not (regexMatch "^https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?$" .Values.publicUrl) }}
{{- fail (printf "publicUrl must be scheme, host and port alone, in lower case and without a slash at its end, and is %q" .Values.publicUrl) }}
{{- end }}
{{- range $section, $names := dict "database" (list "url" "url_file") "keys" (list "secret" "file") }}
{{- range $names }}
{{- if hasKey (get $.Values.config $section | default dict) . }}
{{- fail (printf "config.%s.%s cannot be set: a ConfigMap is no place for secrets. Name a secret by %s.existingSecret" $section . $section) }}
{{- end }}
{{- end }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if and (has .name (list "VESTIBULE__DATABASE__URL" "VESTIBULE__KEYS__SECRET")) (hasKey . "value") }}
{{- fail (printf "extraEnv: %s is a secret and cannot be given by its value: use valueFrom, or database.existingSecret and keys.existingSecret" .name) }}
{{- end }}
{{- end }}
{{- if $sqlite }}
{{- if .Values.autoscaling.enabled }}
{{- fail "autoscaling.enabled needs database.engine=postgres: SQLite has one writer" }}
{{- end }}
{{- if gt (int .Values.replicaCount) 1 }}
{{- fail (printf "replicaCount is %d, but database.engine=sqlite allows one: SQLite has one writer. Use PostgreSQL, or set replicaCount=1" (int .Values.replicaCount)) }}
{{- end }}
{{- end }}
{{- include "vestibule.validateSecrets" . }}
{{- include "vestibule.validateNetwork" . }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end }}
{{- if and .Values.bootstrap.enabled (not .Values.bootstrap.existingSecret) }}
{{- fail "bootstrap.existingSecret is required with bootstrap.enabled: the secret that holds the file" }}
{{- end }}
{{- with .Values.terminationGracePeriodSeconds }}
{{- if lt (int64 .) (int64 (include "vestibule.endSeconds" $)) }}
{{- fail (printf "terminationGracePeriodSeconds is %d, but config.server.shutdown_delay and config.server.shutdown_grace take %s seconds: pods would be killed while they answer" (int64 .) (include "vestibule.endSeconds" $)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "vestibule.validateSecrets" -}}
{{- $sqlite := include "vestibule.isSqlite" . }}
{{- with .Values.externalSecrets }}
{{- if .enabled }}
{{- if not .store.name }}
{{- fail "externalSecrets.store.name is required with externalSecrets.enabled" }}
{{- end }}
{{- if not $sqlite }}
{{- if not .database.key }}
{{- fail "externalSecrets.database.key is required with externalSecrets.enabled: where the store has the database's address" }}
{{- end }}
{{- if $.Values.database.existingSecret }}
{{- fail "database.existingSecret and externalSecrets.enabled are both set: choose one" }}
{{- end }}
{{- end }}
{{- if and .keys.key $.Values.keys.existingSecret }}
{{- fail "keys.existingSecret and externalSecrets.keys.key are both set: choose one" }}
{{- end }}
{{- if and $sqlite (not .keys.key) }}
{{- fail "externalSecrets.keys.key is required with externalSecrets.enabled and SQLite, which has no other secret" }}
{{- end }}
{{- end }}
{{- end }}
{{- if not $sqlite }}
{{- if not (include "vestibule.databaseSecret" .) }}
{{- fail "database.existingSecret is required with PostgreSQL: the secret that holds its address, or set externalSecrets.enabled" }}
{{- end }}
{{- if not (include "vestibule.hasKeys" .) }}
{{- fail "keys.existingSecret is required with PostgreSQL: every pod needs the same keys file, and none is made. docs/kubernetes.md says how to make it" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "vestibule.validateNetwork" -}}
{{- if and .Values.ingress.enabled .Values.gateway.enabled }}
{{- fail "ingress.enabled and gateway.enabled are both set: choose one way in" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
{{- fail "gateway.parentRefs is required with gateway.enabled: the gateways that the route belongs to" }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- if not .Values.networkPolicy.http }}
{{- fail "networkPolicy.http is required with networkPolicy.enabled: who may reach Vestibule, such as the namespace of the ingress controller" }}
{{- end }}
{{- if not (or .Values.networkPolicy.database.to (include "vestibule.isSqlite" .)) }}
{{- fail "networkPolicy.database.to is required with networkPolicy.enabled: where PostgreSQL is" }}
{{- end }}
{{- if and .Values.telemetry.otlp.endpoint (not .Values.networkPolicy.otlp.to) }}
{{- fail "networkPolicy.otlp.to is required with networkPolicy.enabled and telemetry.otlp.endpoint: where the collector is" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.networkPolicy.ops) }}
{{- fail "networkPolicy.ops is required with networkPolicy.enabled and serviceMonitor.enabled: where Prometheus asks from" }}
{{- end }}
{{- end }}
{{- end }}
