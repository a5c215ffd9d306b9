{{- define "qianda.labels" -}}
app.kubernetes.io/name: qianda
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "qianda.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 999
  runAsGroup: 999
  fsGroup: 999
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- if eq .Values.storage.accessMode "ReadWriteOnce" }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            app.kubernetes.io/name: qianda
            app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
volumes:
  - name: data
    persistentVolumeClaim: {claimName: {{ .Release.Name }}-data}
  - name: configuration
    configMap: {name: {{ .Release.Name }}-configuration}
  - name: tmp
    emptyDir: {}
{{- end -}}

{{- define "qianda.container" -}}
image: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: data, mountPath: /var/lib/qianda}
  - {name: data, mountPath: /var/lib/qianda/backups, subPath: backups}
  - {name: configuration, mountPath: /etc/qianda, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "qianda.environment" -}}
- {name: QIANDA_CONFIG, value: /etc/qianda/qianda.toml}
- {name: QIANDA_ORIGIN, value: "https://{{ required "hostname: the name under which people reach it" .Values.hostname }}"}
- name: QIANDA_DATABASE
  valueFrom: {secretKeyRef: {name: {{ .Values.secretName }}, key: database}}
- name: QIANDA_METRICS_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .Values.secretName }}, key: metrics-token}}
{{- end -}}

{{- define "qianda.owner" -}}
- name: QIANDA_DATABASE_OWNER
  valueFrom: {secretKeyRef: {name: {{ .Values.secretName }}, key: database-owner}}
{{- end -}}
