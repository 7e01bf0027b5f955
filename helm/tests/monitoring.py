"""Alerts and dashboard: their queries are well-formed and ask for metrics that exist, every alert has a test and an entry in the runbook."""

import json
import pathlib
import re
import subprocess
import tempfile
from typing import Any

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE.parent / "vestibule"
DOCS = HERE.parents[1] / "docs"
RULES = CHART / "files" / "rules.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
METRICS = DOCS / "metrics.md"
# What was agreed on, as long as that document is not there.
AGREED = HERE / "metrics.txt"

# What Prometheus itself makes.
OF_PROMETHEUS = {"up"}
# What Grafana puts into a query, and something like it for promtool.
OF_GRAFANA = {"$__rate_interval": "5m", "$__range": "1h", "$job": "vestibule", "$namespace": ".*", "$instance": ".*"}


def run_promtool(arguments: list[str], name: str, content: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / name
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        done = subprocess.run(["promtool", *arguments, file], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def rules(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for group in groups for rule in group["rules"]]


def rules_are_well_formed(rendered: dict[str, list[dict[str, Any]]]) -> str:
    """The file, and what the chart makes of it for the releases that have it."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    run_promtool(["check", "rules"], "rules.yaml", {"groups": groups})
    for name, made in rendered.items():
        run_promtool(["check", "rules"], f"{name}.yaml", {"groups": made})
        for rule in rules(made):
            outside = [text for text in re.findall(r'job="[^"]*"[^}]*', rule["expr"]) if 'namespace="' not in text or 'service="' not in text]
            if outside or 'job="' not in rule["expr"] or not {"namespace", "service"} <= rule["labels"].keys():
                raise AssertionError(f"{name}: {rule['alert']} looks at more than its release: {rule['expr']}")
    return f"{len(rules(groups))} rules are well-formed, also as the chart makes them for {', '.join(rendered)}"


def memory_limit_is_the_releases(rendered: dict[str, list[dict[str, Any]]], limits: dict[str, int]) -> str:
    for name, made in rendered.items():
        [expr] = [rule["expr"] for rule in rules(made) if rule["alert"] == "VestibuleMemoryHigh"]
        if not expr.endswith(f"> 0.9 * {limits[name]}"):
            raise AssertionError(f"{name}: the limit of memory is {limits[name]}, and the alert says {expr}")
    return f"VestibuleMemoryHigh knows the limit of {', '.join(rendered)}"


def alerts_fire_and_keep_quiet() -> str:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    by_name = {(rule["alert"], rule["labels"]["severity"]): rule for rule in rules(groups)}
    cases = yaml.safe_load((HERE / "alerts.yaml").read_text())
    fires, quiet, tests = set(), set(), []
    for case in cases:
        [key] = [key for key in by_name if key[0] == case["alert"] and case.get("severity", key[1]) == key[1]]
        rule = by_name[key]
        for how in ("fires", "quiet"):
            if how not in case:
                continue
            (fires if how == "fires" else quiet).add(key)
            expected = [
                {
                    "exp_labels": {"severity": key[1], **one["labels"]},
                    "exp_annotations": {**rule["annotations"], "summary": one["summary"]},
                }
                for one in case[how].get("as", [])
            ]
            if (how == "fires") != bool(expected):
                raise AssertionError(f"{case['alert']}: `fires` needs what fires, `quiet` has none")
            tests.append(
                {
                    "interval": "1m",
                    "name": f"{case['alert']} {how}",
                    "input_series": [{"series": whole(name), "values": values} for name, values in case[how]["series"].items()],
                    # Two rules of one name are told apart by their severity, which promtool cannot: only the asked one may fire.
                    "alert_rule_test": [{"eval_time": case[how]["at"], "alertname": case["alert"], "exp_alerts": expected}],
                }
            )
            if how == "fires" and ("for" in rule) != ("not_yet" in case[how]):
                raise AssertionError(f"{case['alert']}: what has to last needs a time, not_yet, at which it does not fire though it is so already")
            if "not_yet" in case[how]:
                tests[-1]["alert_rule_test"].insert(0, {"eval_time": case[how]["not_yet"], "alertname": case["alert"], "exp_alerts": []})
            if sum(name == case["alert"] for name, _ in by_name) > 1:
                tests[-1]["only"] = key[1]
    missing = {f"{name} ({severity})" for name, severity in by_name} - {f"{name} ({severity})" for name, severity in fires & quiet}
    if missing:
        raise AssertionError(f"alerts.yaml has no test that fires and one that does not for {sorted(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for severity in (None, "warning", "critical"):
            chosen = [{k: v for k, v in test.items() if k != "only"} for test in tests if test.get("only") == severity]
            keep = [{**group, "rules": [r for r in group["rules"] if severity in (None, r["labels"]["severity"])]} for group in groups]
            (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": keep}))
            (folder / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": chosen}))
            done = subprocess.run(["promtool", "test", "rules", folder / "tests.yaml"], capture_output=True, text=True)
            if done.returncode != 0:
                raise AssertionError(f"promtool test rules:\n{done.stdout}{done.stderr}")
    return f"{len(by_name)} alerts fire when they must, and do not when they must not ({len(tests)} tests)"


def whole(series: str) -> str:
    """Adds the labels that every series has."""
    name, _, labels = series.rstrip("}").partition("{")
    given = [labels] if labels else []
    added = [text for text in ('job="vestibule"', 'instance="a:9090"') if text.split("=")[0] + "=" not in labels]
    return f"{name}{{{','.join(given + added)}}}"


def every_alert_is_in_the_runbook() -> str:
    text = (DOCS / "operations.md").read_text()
    runbook = text.split("## Runbook\n", 1)[1].split("\n## ", 1)[0]
    entries = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^### |\Z)", runbook, re.DOTALL | re.MULTILINE))
    alerts = rules(yaml.safe_load(RULES.read_text())["groups"])
    names = {rule["alert"] for rule in alerts}
    if names != set(entries):
        raise AssertionError(f"the runbook of docs/operations.md and the alerts differ: {sorted(names ^ set(entries))}")
    for name, entry in entries.items():
        for part in ("**Means.**", "**People see.**", "**Look at.**", "**Do.**"):
            if part not in entry:
                raise AssertionError(f"docs/operations.md: {name} has no {part}")
    for rule in alerts:
        wanted = f"docs/operations.md#{rule['alert'].lower()}"
        if rule["annotations"].get("runbook_url") != wanted:
            raise AssertionError(f"{rule['alert']} must have runbook_url: {wanted}")
    return f"{len(names)} alerts have an entry in the runbook, and lead there"


def queries() -> dict[str, str]:
    """All that the dashboard asks, by panel."""
    found: dict[str, str] = {}

    def walk(panels: list[dict[str, Any]]) -> None:
        for panel in panels:
            walk(panel.get("panels", []))
            for target in panel.get("targets", []):
                found[f"{panel['title']} {target['refId']}"] = target["expr"]

    walk(json.loads(DASHBOARD.read_text())["panels"])
    return found


def dashboard_is_well_formed() -> str:
    dashboard = json.loads(DASHBOARD.read_text())
    if dashboard["schemaVersion"] < 39 or dashboard["uid"] != "vestibule" or dashboard.get("id") is not None:
        raise AssertionError("the dashboard needs schemaVersion 39 or newer, its uid, and no id")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    if variables != {"datasource", "namespace", "job", "instance"}:
        raise AssertionError(f"the dashboard's variables are {sorted(variables)}")
    seen: dict[int, str] = {}

    def walk(panels: list[dict[str, Any]]) -> None:
        for panel in panels:
            if panel["id"] in seen:
                raise AssertionError(f"panels {seen[panel['id']]} and {panel['title']} have one id")
            seen[panel["id"]] = panel["title"]
            walk(panel.get("panels", []))
            if panel["type"] != "row":
                if panel.get("datasource", {}).get("uid") != "${datasource}" or not panel.get("description"):
                    raise AssertionError(f"panel {panel['title']} needs the datasource variable and a description")
                for target in panel["targets"]:
                    if "histogram_quantile" in target["expr"] and not target.get("exemplar"):
                        raise AssertionError(f"panel {panel['title']} shows latency without exemplars")
                    asked = re.findall(r"\{[^}]*\}", target["expr"])
                    if not asked or not all('job="$job"' in one and 'instance=~"$instance"' in one and 'namespace=~"$namespace"' in one for one in asked):
                        raise AssertionError(f"panel {panel['title']} does not ask by all variables: {target['expr']}")

    walk(dashboard["panels"])
    asked = queries()
    records = []
    for index, expr in enumerate(asked.values()):
        for variable, text in OF_GRAFANA.items():
            expr = expr.replace(variable, text)
        if "$" in expr:
            raise AssertionError(f"unknown variable in {expr}")
        records.append({"record": f"panel:{index}", "expr": expr})
    run_promtool(["check", "rules"], "dashboard.yaml", {"groups": [{"name": "dashboard", "rules": records}]})
    return f"the dashboard has {len(seen)} panels and rows; its {len(asked)} queries are well-formed"


def documented() -> dict[str, str]:
    """Every metric of docs/metrics.md with its type: the rows of its tables begin with the name, labels aside, and the type follows."""
    if not METRICS.exists():
        return dict(line.split() for line in AGREED.read_text().splitlines())
    return dict(re.findall(r"^\| `([a-z_]+)(?:\{[^`]*\})?` \| (\w+)", METRICS.read_text(), re.MULTILINE))


def metrics_exist() -> str:
    known = documented()
    series = set(OF_PROMETHEUS)
    for name, kind in known.items():
        series |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    asked = {f"dashboard: {panel}": expr for panel, expr in queries().items()}
    asked |= {f"alert: {rule['alert']}": rule["expr"] for rule in rules(yaml.safe_load(RULES.read_text())["groups"])}
    used = set()
    for where, expr in asked.items():
        for name in re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{", expr):
            used.add(name)
            if name not in series:
                raise AssertionError(f"{where} asks for {name}, which {(METRICS if METRICS.exists() else AGREED).name} does not have")
        bare = re.findall(r"\b(?:vestibule|process)_\w+\b(?!\{)", expr)
        if bare:
            raise AssertionError(f"{where} asks for {bare[0]} of every job")
    return f"{len(asked)} queries ask for {len(used)} series, all of them in {(METRICS if METRICS.exists() else AGREED).name}"
