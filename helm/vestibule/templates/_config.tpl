{{/* vestibule.toml: what `config` says, and what the chart itself decides. */}}
{{- define "vestibule.toml" -}}
{{- $server := dict "listen" (printf "%s:8080" .Values.listenAddress) "ops_listen" (printf "%s:9090" .Values.listenAddress) "public_url" .Values.publicUrl }}
{{- $database := dict }}
{{- $keys := dict }}
{{- if include "vestibule.isSqlite" . }}
{{- $_ := set $database "url" "sqlite:///var/lib/vestibule/vestibule.db" }}
{{- else }}
{{- $_ := set $database "url_file" "/etc/vestibule/database/url" }}
{{- end }}
{{- if include "vestibule.hasKeys" . }}
{{- $_ := set $keys "file" "/etc/vestibule/keys/keys" }}
{{- else }}
{{- $_ := set $keys "file" "/var/lib/vestibule/vestibule.keys" }}
{{- end }}
{{- $own := dict "server" $server "database" $database "keys" $keys }}
{{- if .Values.catalogues }}
{{- $_ := set $own "catalogues" (dict "directory" "/etc/vestibule/catalogues") }}
{{- end }}
{{- range $section, $keys := mergeOverwrite (deepCopy .Values.config) $own }}
[{{ $section }}]
{{- range $key, $value := $keys }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "vestibule.tomlValue" $value }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}

{{/* JSON's texts, numbers and lists are TOML's too; only whole numbers must not be written as 2e+06, as Helm reads them. */}}
{{- define "vestibule.tomlValue" -}}
{{- if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) -}}
{{ int64 . }}
{{- else -}}
{{ toJson . }}
{{- end }}
{{- end }}

{{- define "vestibule.configData" -}}
vestibule.toml: |
  # Made by the chart from `config`; docs/configuration.md says what each key means.
  {{- include "vestibule.toml" . | trim | nindent 2 }}
{{- end }}
