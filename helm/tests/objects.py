"""What is asked of the rendered objects: Kubernetes' own schemas, and what no schema knows."""

import json
import pathlib
import re
import shutil
import tomllib
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

import render
from render import CHART, HELMS, HERE, Objects, identity, is_hook

OLDEST = "1.28"
Rendered = dict[str, Objects]


def schemas_are_kept(rendered: Rendered) -> str:
    shapes = yaml.safe_load((HERE / "shapes.yaml").read_text())
    versions = (OLDEST, kubernetes_validate.latest_version())
    ours, own = set(), 0
    for name, objects in rendered.items():
        for one in objects:
            if one["kind"] in shapes:
                shape = shapes[one["kind"]]
                whole = {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["metadata", "spec"],
                    "properties": {"apiVersion": {"const": shape["apiVersion"]}, "kind": {}, "metadata": {}, "spec": shape["spec"]},
                }
                jsonschema.validate(one, whole)
                ours.add(one["kind"])
                continue
            for version in versions:
                try:
                    kubernetes_validate.validate(one, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    raise AssertionError(f"{name}: {identity(one)}, Kubernetes {version}: {error}") from error
            own += 1
    if ours != set(shapes):
        raise AssertionError(f"no set of values makes {sorted(set(shapes) - ours)}")
    return f"{own} objects keep the schemas of Kubernetes {' and '.join(versions)}, strictly; {', '.join(sorted(ours))} keep shapes.yaml"


def pods(objects: Objects) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each object with pods, and their template."""
    return [(one, one["spec"]["template"]) for one in objects if "template" in one.get("spec", {})]


def pods_are_restricted(rendered: Rendered) -> str:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, "Restricted", and a read-only root file system, no token, limited memory."""
    seen = 0
    for name, objects in rendered.items():
        for one, template in pods(objects):
            spec, where = template["spec"], f"{name}: {identity(one)}"
            assert spec["automountServiceAccountToken"] is False, where
            assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0, where
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
            assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), where
            for volume in spec["volumes"]:
                assert volume.keys() - {"name"} <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}, where
                assert volume.get("secret", {"defaultMode": 0o400})["defaultMode"] == 0o400, where
                assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], where
            for container in spec["containers"] + spec.get("initContainers", []):
                wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
                assert container["securityContext"] == wanted, where
                assert "memory" in container["resources"]["limits"], where
                assert container["command"] == ["vestibule"], where
                seen += 1
    return f"{seen} containers are restricted: no root, no writing but in volumes, no capabilities, no token, limited memory"


def references_lead_somewhere(rendered: Rendered) -> str:
    """An object of the release names what is there when it is made: a hook before it only such hooks, and what people made."""
    count = 0
    for name, objects in rendered.items():
        given = render.values_of(name).read_text()
        for one, template in pods(objects):
            early = one["metadata"].get("annotations", {}).get("helm.sh/hook", "").startswith("pre-")
            there = {identity(other) for other in objects if is_hook(other) == early or not early and not is_hook(other)}
            there |= {f"Secret/{other['spec']['target']['name']}" for other in objects if other["kind"] == "ExternalSecret" and is_hook(other) == early}
            spec = template["spec"]
            wanted = {f"ServiceAccount/{spec['serviceAccountName']}"}
            for volume in spec["volumes"]:
                if "configMap" in volume:
                    wanted.add(f"ConfigMap/{volume['configMap']['name']}")
                if "secret" in volume:
                    wanted.add(f"Secret/{volume['secret']['secretName']}")
                if "persistentVolumeClaim" in volume:
                    wanted.add(f"PersistentVolumeClaim/{volume['persistentVolumeClaim']['claimName']}")
            for lost in wanted - there:
                if lost.split("/")[1] not in given:
                    raise AssertionError(f"{name}: {identity(one)} names {lost}, which is not there when it is made")
            mounted = {volume["name"] for volume in spec["volumes"]}
            for container in spec["containers"] + spec.get("initContainers", []):
                assert {mount["name"] for mount in container["volumeMounts"]} <= mounted, f"{name}: {identity(one)}"
            count += len(wanted)
    return f"{count} references of pods lead to what is there when they start"


def hooks_come_in_order(rendered: Rendered) -> str:
    count = 0
    for name, objects in rendered.items():
        early = {identity(one): one["metadata"]["annotations"] for one in objects if is_hook(one) and one["metadata"]["annotations"]["helm.sh/hook"].startswith("pre-")}
        jobs = {key for key in early if key.startswith("Job/")}
        for key, annotations in early.items():
            assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade", key
            assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded", key
            assert (int(annotations["helm.sh/hook-weight"]) < 0) == (key not in jobs), key
        wanted = 0 if name == "minimal" else 1
        assert len(jobs) == wanted, f"{name}: {sorted(jobs)}"
        assert all(is_hook(one) for one in objects if one["kind"] == "Job"), f"{name}: a Job that is no hook cannot be changed by an upgrade"
        count += len(early)
    return f"{count} hooks of migrations: what the Job needs comes before it, and goes with it; no Job is left for an upgrade to change"


def services_find_servers_alone(rendered: Rendered) -> str:
    count = 0
    for name, objects in rendered.items():
        for one in objects:
            selector = one["spec"].get("selector") if one["kind"] in ("Service", "PodDisruptionBudget", "Deployment") else None
            if selector is None:
                continue
            labels = selector.get("matchLabels", selector)
            found = {identity(other) for other, template in pods(objects) if labels.items() <= template["metadata"]["labels"].items()}
            if len(found) != 1 or not next(iter(found)).startswith("Deployment/"):
                raise AssertionError(f"{name}: {identity(one)} selects {sorted(found)}")
            count += 1
        for one in objects:
            if one["kind"] == "ServiceMonitor":
                labels = one["spec"]["selector"]["matchLabels"].items()
                chosen = [other for other in objects if other["kind"] == "Service" and labels <= other["metadata"]["labels"].items()]
                ports = {port["name"] for other in chosen for port in other["spec"]["ports"]}
                if len(chosen) != 1 or {end["port"] for end in one["spec"]["endpoints"]} - ports:
                    raise AssertionError(f"{name}: the ServiceMonitor selects {[identity(other) for other in chosen]}")
    return f"{count} selectors find the pods that serve, and no Job's"


# What Kubernetes does not let an upgrade change.
IMMUTABLE = {
    "Deployment": [("spec", "selector")],
    "Service": [("spec", "clusterIP")],
    "PersistentVolumeClaim": [("spec",)],
    "Job": [("spec",)],
}


def upgrades_change_nothing_fixed(folder: pathlib.Path) -> str:
    """The chart of the next version, with other values, over this one."""
    later = folder / "later"
    shutil.copytree(CHART, later)
    text = (later / "Chart.yaml").read_text()
    changed = re.sub(r"^(version|appVersion): .*$", r'\1: "9.8.7"', text, flags=re.MULTILINE)
    (later / "Chart.yaml").write_text(changed)
    more = ["--set", "image.tag=9.8.7,config.log.filter=debug,podLabels.changed=yes,commonLabels.changed=yes,resources.limits.memory=1Gi"]
    count = 0
    for name in render.SETS:
        grown = [] if name == "minimal" else ["--set", "replicaCount=5,migration.timeoutSeconds=30"]
        before = {identity(one): one for one in render.parse(render.template(HELMS[1], name)) if not is_hook(one)}
        after = {identity(one): one for one in render.parse(render.template(HELMS[1], name, *more, *grown, chart=later)) if not is_hook(one)}
        if before.keys() != after.keys():
            raise AssertionError(f"{name}: an upgrade makes or removes {sorted(before.keys() ^ after.keys())}")
        deployment = next(key for key in before if key.startswith("Deployment/"))
        assert before[deployment]["spec"]["template"] != after[deployment]["spec"]["template"], "the upgrade changes the pods"
        for key, one in before.items():
            for path in IMMUTABLE.get(one["kind"], []):
                old, new = one, after[key]
                for part in path:
                    old, new = old.get(part, {}), new.get(part, {})
                if old != new:
                    raise AssertionError(f"{name}: an upgrade would change {'.'.join(path)} of {key}, which cannot be changed: {old} to {new}")
                count += 1
    return f"an upgrade to another version with other values changes none of {count} parts that cannot be changed"


# What the chart itself decides, and so is no value.
OF_THE_CHART = {
    "server.listen", "server.public_url", "server.ops_listen", "database.url", "database.url_file", "keys.file", "keys.secret", "catalogues.directory",
}
# Where the chart's default is another than the program's, because of what Kubernetes is.
OTHERWISE = {"server.shutdown_delay": "5s", "log.format": "json"}


def settings_are_complete() -> str:
    """Every key of docs/configuration.md is a value, with the program's default, or the chart's own business."""
    text = (HERE.parents[1] / "docs" / "configuration.md").read_text()
    documented: dict[str, str] = {}
    for section, body in re.findall(r"^## `\[(\w+)\]`\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE):
        for key, default in re.findall(r"^\| `(\w+)` \| `VESTIBULE__\w+` \| ([^|]*) \|", body, re.MULTILINE):
            documented[f"{section}.{key}"] = default.strip().strip("`")
    values = yaml.safe_load((CHART / "values.yaml").read_text())["config"]
    ours = {f"{section}.{key}": value for section, keys in values.items() for key, value in keys.items()}
    missing, unknown = documented.keys() - ours.keys() - OF_THE_CHART, ours.keys() - documented.keys()
    if missing or unknown or not OF_THE_CHART <= documented.keys():
        raise AssertionError(
            f"docs/configuration.md has {sorted(missing)}, which `config` of values.yaml has not; `config` has {sorted(unknown)}, which it has not; "
            f"the chart decides {sorted(OF_THE_CHART - documented.keys())}, which it has not"
        )
    for key, value in ours.items():
        shown = value if isinstance(value, str) else json.dumps(value)
        if key in OTHERWISE:
            assert shown == OTHERWISE[key] != documented[key], f"{key}: {shown}"
        elif shown != documented[key]:
            raise AssertionError(f"config.{key} is {shown}, and docs/configuration.md says {documented[key]}")
    return f"{len(documented)} settings: {len(ours)} are values with the program's defaults, {len(OF_THE_CHART)} the chart's own"


def files_of_settings_are_right(rendered: Rendered) -> str:
    for name, objects in rendered.items():
        found = [tomllib.loads(one["data"]["vestibule.toml"]) for one in objects if one["kind"] == "ConfigMap" and "vestibule.toml" in one["data"]]
        if any(one != found[0] for one in found):
            raise AssertionError(f"{name}: the migration has other settings than the pods")
        given = yaml.safe_load(render.values_of(name).read_text())
        defaults = yaml.safe_load((CHART / "values.yaml").read_text())["config"]
        wanted: dict[str, dict[str, Any]] = {}
        for section, keys in defaults.items():
            keys = {**keys, **given.get("config", {}).get(section, {})}
            wanted[section] = {key: value for key, value in keys.items() if value is not None}
        wanted["server"] |= {"listen": "0.0.0.0:8080", "ops_listen": "0.0.0.0:9090", "public_url": given["publicUrl"]}
        sqlite = given.get("database", {}).get("engine") == "sqlite"
        wanted["database"] |= {"url": "sqlite:///var/lib/vestibule/vestibule.db"} if sqlite else {"url_file": "/etc/vestibule/database/url"}
        wanted["keys"] |= {"file": "/var/lib/vestibule/vestibule.keys" if sqlite else "/etc/vestibule/keys/keys"}
        if "catalogues" in given:
            wanted["catalogues"] = {"directory": "/etc/vestibule/catalogues"}
        # As texts, because 2e6 equals 2000000 otherwise.
        if json.dumps(found[0], sort_keys=True) != json.dumps(wanted, sort_keys=True):
            raise AssertionError(f"{name}: vestibule.toml is {found[0]}, not {wanted}")
    return f"vestibule.toml says what the values say, in {', '.join(rendered)}"


def versions_agree() -> str:
    cargo = tomllib.loads((HERE.parents[1] / "Cargo.toml").read_text())["package"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    if chart["appVersion"] != cargo:
        raise AssertionError(f"Chart.yaml says appVersion {chart['appVersion']}, Cargo.toml {cargo}")
    return f"appVersion is that of the program, {cargo}"


def ends_have_time(rendered: Rendered) -> str:
    found = {}
    for name, objects in rendered.items():
        [(_, template)] = [(one, template) for one, template in pods(objects) if one["kind"] == "Deployment"]
        found[name] = template["spec"]["terminationGracePeriodSeconds"]
    if found != {"default": 35, "minimal": 35, "ha": 35, "full": 90}:
        raise AssertionError(f"seconds to end: {found}")
    return "pods have ten seconds more to end than the delay and the grace"
