"""The dashboard, of which script/chart --write makes files/dashboard.json: each row is a list of panels, each panel its queries."""

import json
from typing import Any

ALL = 'job="$job",namespace=~"$namespace",instance=~"$instance"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def rate(name: str, by: str = "", where: str = "") -> str:
    inner = f"sum(rate({name}{{{ALL}{',' + where if where else ''}}}[$__rate_interval]))"
    return inner.replace("sum(", f"sum by ({by}) (", 1) if by else inner


def quantile(share: float, name: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({name}_bucket{{{ALL}}}[$__rate_interval])))"


def gauge(name: str, how: str = "", where: str = "") -> str:
    series = f"{name}{{{ALL}{',' + where if where else ''}}}"
    return f"{how}({series})" if how else series


FAILED = rate("vestibule_http_requests_total", where='status=~"5.."')

# Title, what it says, unit, width of 24, queries with their legends; `stat` shows the last value in large.
ROWS: list[tuple[str, list[tuple[str, str, str, str, int, list[tuple[str, str]]]]]] = [
    ("Overview", [
        ("stat", "Pods that answer", "Pods whose metrics Prometheus can read, and the versions that they run", "none", 6,
         [(gauge("up", "sum"), "pods"), (f"count by (version) ({gauge('vestibule_build_info')})", "{{version}}")]),
        ("stat", "Requests", "Answered a second", "reqps", 6, [(rate("vestibule_http_requests_total"), "requests")]),
        ("stat", "Failed", "The share of requests that was answered with 5xx. VestibuleErrors fires at 2 % of a surface", "percentunit", 6,
         [(f"({FAILED} or vector(0)) / {rate('vestibule_http_requests_total')}", "failed")]),
        ("stat", "Under way, turned away", "Requests that are being answered, and those a second that were answered 503 because too many were", "none", 6,
         [(gauge("vestibule_http_requests_in_flight", "sum"), "under way"), (rate("vestibule_http_requests_shed_total"), "turned away a second")]),
        ("timeseries", "Requests by surface", "Answered a second", "reqps", 12, [(rate("vestibule_http_requests_total", "surface"), "{{surface}}")]),
        ("timeseries", "Answers that are no success", "Answered with 4xx and 5xx a second", "reqps", 12,
         [(rate("vestibule_http_requests_total", "surface, status", 'status=~"[45].."'), "{{surface}} {{status}}")]),
        ("timeseries", "Time to answer, half of all", "Half of the requests took less", "s", 12,
         [(quantile(0.5, "vestibule_http_request_duration_seconds", "surface"), "{{surface}}")]),
        ("timeseries", "Time to answer, the slowest in a hundred", "99 of 100 requests took less. A dot is a request with its trace", "s", 12,
         [(quantile(0.99, "vestibule_http_request_duration_seconds", "surface"), "{{surface}}")]),
    ]),
    ("Sign-ins", [
        ("timeseries", "Sign-ins by outcome", "`refused` by a rule; `failed` where an identity provider did not answer or is not believed", "cps", 12,
         [(rate("vestibule_sign_ins_total", "outcome"), "{{outcome}}")]),
        ("timeseries", "Requests to others", "To identity providers and portals, a second", "reqps", 6,
         [(rate("vestibule_outgoing_requests_total", "outcome"), "{{outcome}}")]),
        ("timeseries", "Time that others take", "99 of 100, and half, took less", "s", 6,
         [(quantile(0.99, "vestibule_outgoing_request_duration_seconds"), "99 %"), (quantile(0.5, "vestibule_outgoing_request_duration_seconds"), "50 %")]),
        ("stat", "Days until a certificate ends", "Of the first SAML connection that would have none", "d", 24,
         [(gauge("vestibule_saml_certificate_days_left", "min"), "days")]),
    ]),
    ("SCIM", [
        ("timeseries", "Requests", "By method, a second", "reqps", 8, [(rate("vestibule_http_requests_total", "method", 'surface="scim"'), "{{method}}")]),
        ("timeseries", "Put right", "What a client profile corrected in what directories sent", "cps", 8,
         [(rate("vestibule_scim_coercions_total", "profile, rule"), "{{profile}} {{rule}}")]),
        ("timeseries", "Told to wait", "Answered 429, by profile; and traced reads that did not come into the log", "cps", 8,
         [(rate("vestibule_scim_rate_limited_total", "profile"), "{{profile}}"), (rate("vestibule_scim_traced_reads_dropped_total"), "traced reads dropped")]),
    ]),
    ("Sessions and logouts", [
        ("timeseries", "Sessions that ended", "By reason, a second", "cps", 8, [(rate("vestibule_sessions_ended_total", "reason"), "{{reason}}")]),
        ("timeseries", "Portals told", "Attempts to tell a portal that a session is over", "cps", 8,
         [(rate("vestibule_back_channel_logouts_total", "outcome"), "{{outcome}}")]),
        ("timeseries", "Longest wait of a portal", "How long that has waited which a portal is still to be told", "s", 4,
         [(gauge("vestibule_back_channel_logout_oldest_seconds", "max"), "oldest")]),
        ("timeseries", "Logouts of identity providers", "By what became of them", "cps", 4, [(rate("vestibule_upstream_logouts_total", "outcome"), "{{outcome}}")]),
    ]),
    ("Database", [
        ("timeseries", "Connections", "Used and idle, of all pods, and what they may have", "none", 8,
         [(f"sum by (state) ({gauge('vestibule_database_connections')})", "{{state}}"), (gauge("vestibule_database_connections_limit", "sum"), "limit")]),
        ("timeseries", "Wait for a connection", "99 of 100, and half, took less", "s", 8,
         [(quantile(0.99, "vestibule_database_wait_duration_seconds"), "99 %"), (quantile(0.5, "vestibule_database_wait_duration_seconds"), "50 %")]),
        ("timeseries", "Failures", "By kind, a second", "cps", 8, [(rate("vestibule_database_failures_total", "kind"), "{{kind}}")]),
    ]),
    ("Background work", [
        ("timeseries", "Time since it was done", "By any replica. VestibuleWorkStalled fires after half an hour", "s", 8,
         [(f"time() - max by (work) ({gauge('vestibule_work_last_done_timestamp_seconds')})", "{{work}}")]),
        ("timeseries", "Runs that failed", "A second", "cps", 8, [(rate("vestibule_work_runs_total", "work", 'outcome="failed"'), "{{work}}")]),
        ("timeseries", "Events not sealed yet", "How old the oldest one is", "s", 4, [(gauge("vestibule_events_unsealed_oldest_seconds", "max"), "oldest")]),
        ("timeseries", "Sealed with former keys", "Values that are still to be sealed anew after a change of keys", "none", 4,
         [(gauge("vestibule_sealed_values_under_former_keys", "max"), "values")]),
    ]),
    ("Process", [
        ("timeseries", "Memory", "Resident, of each pod", "bytes", 6, [(gauge("process_resident_memory_bytes"), "{{instance}}")]),
        ("timeseries", "CPU", "Cores in use, of each pod", "none", 6, [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")]),
        ("timeseries", "Files", "Open, as a share of what may be", "percentunit", 6,
         [(f"{gauge('process_open_fds')} / {gauge('process_max_fds')}", "{{instance}}")]),
        ("timeseries", "Threads, starts", "Threads of each pod; and how often it started in the time shown", "none", 6,
         [(gauge("process_threads"), "{{instance}}"), (f"changes(process_start_time_seconds{{{ALL}}}[$__range])", "{{instance}} starts")]),
    ]),
]

HEIGHTS = {"stat": 4, "timeseries": 8}


def variable(name: str, label: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "hide": 0, "skipUrlSync": False, **more}


def asked(name: str, label: str, query: str, **more: Any) -> dict[str, Any]:
    found = {"type": "query", "datasource": DATASOURCE, "refresh": 2, "sort": 1, "definition": query}
    return variable(name, label, **found, query={"query": query, "refId": name}, **more)


def panel(number: int, kind: str, title: str, text: str, unit: str, at: dict[str, int], targets: list[tuple[str, str]]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": unit, "min": 0}
    options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "stat":
        defaults = {"unit": unit}
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "textMode": "value_and_name", "colorMode": "none", "graphMode": "area"}
    return {
        "id": number,
        "type": kind,
        "title": title,
        "description": text,
        "datasource": DATASOURCE,
        "gridPos": at,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(65 + index), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend, "range": True, "exemplar": "histogram_quantile" in expr}
            for index, (expr, legend) in enumerate(targets)
        ],
    }


def dashboard() -> str:
    panels: list[dict[str, Any]] = []
    y = 0
    for row, members in ROWS:
        panels.append({"id": len(panels) + 1, "type": "row", "title": row, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        x, y = 0, y + 1
        for kind, title, text, unit, width, targets in members:
            if x + width > 24:
                x, y = 0, y + panels[-1]["gridPos"]["h"]
            at = {"x": x, "y": y, "w": width, "h": HEIGHTS[kind]}
            panels.append(panel(len(panels) + 1, kind, title, text, unit, at, targets))
            x += width
        y += panels[-1]["gridPos"]["h"]
    everything = {"multi": True, "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}}
    whole = {
        "id": None,
        "uid": "vestibule",
        "title": "Vestibule",
        "description": "Made by script/chart --write",
        "tags": ["vestibule"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [
            variable("datasource", "Data source", type="datasource", query="prometheus", refresh=1),
            asked("job", "Job", "label_values(vestibule_build_info, job)", multi=False, includeAll=False, current={"text": "vestibule", "value": "vestibule"}),
            asked("namespace", "Namespace", 'label_values(vestibule_build_info{job="$job"}, namespace)', **everything),
            asked("instance", "Pod", 'label_values(vestibule_build_info{job="$job",namespace=~"$namespace"}, instance)', **everything),
        ]},
        "panels": panels,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
