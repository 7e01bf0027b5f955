"""What Helm makes of the chart: each set of values of ci/, by Helm 3 and by Helm 4."""

import pathlib
import subprocess
from typing import Any

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE.parent / "vestibule"
INSTALLED = HERE.parents[1] / "tests" / "parts" / ".installed"
HELMS = [INSTALLED / "helm" / name for name in ("helm3", "helm4")]
SETS = ("default", "minimal", "full", "ha")
NAMESPACE = "vestibule"

Objects = list[dict[str, Any]]


def values_of(name: str) -> pathlib.Path:
    return CHART / "ci" / f"{name}-values.yaml"


def run(helm: pathlib.Path, *arguments: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm, *arguments], capture_output=True, text=True)


def template(helm: pathlib.Path, name: str, *more: str, chart: pathlib.Path = CHART) -> str:
    """Each set is a release of its own name, so that no object of one is taken for an object of another."""
    done = run(helm, "template", f"vestibule-{name}", chart, "--namespace", NAMESPACE, "--values", values_of(name), *more)
    if done.returncode != 0:
        raise AssertionError(f"{helm.name} template, values {name}: {done.stderr}")
    return done.stdout


def parse(text: str) -> Objects:
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def identity(one: dict[str, Any]) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def is_hook(one: dict[str, Any]) -> bool:
    return "helm.sh/hook" in one["metadata"].get("annotations", {})


def lints() -> str:
    for helm in HELMS:
        for name in SETS:
            done = run(helm, "lint", "--strict", CHART, "--values", values_of(name))
            if done.returncode != 0:
                raise AssertionError(f"{helm.name} lint --strict, values {name}:\n{done.stdout}{done.stderr}")
    return f"helm lint --strict is content with {', '.join(SETS)} by {' and '.join(helm.name for helm in HELMS)}"


def renders() -> tuple[dict[str, Objects], str]:
    """Of Helm 4, after Helm 3 made the same."""
    found = {}
    for name in SETS:
        by_helm = [{identity(one): one for one in parse(template(helm, name))} for helm in HELMS]
        if by_helm[0] != by_helm[1]:
            differing = sorted(key for key in by_helm[0].keys() | by_helm[1].keys() if by_helm[0].get(key) != by_helm[1].get(key))
            raise AssertionError(f"Helm 3 and Helm 4 differ with the values {name}: {differing}")
        found[name] = list(by_helm[1].values())
        if len(found[name]) != len(parse(template(HELMS[1], name))):
            raise AssertionError(f"two objects of one name with the values {name}")
    sizes = ", ".join(f"{name} {len(objects)}" for name, objects in found.items())
    return found, f"Helm 3 and Helm 4 make the same objects: {sizes}"


def package(folder: pathlib.Path) -> str:
    for helm in HELMS:
        done = run(helm, "package", CHART, "--destination", folder)
        if done.returncode != 0:
            raise AssertionError(f"{helm.name} package: {done.stderr}")
    [made] = folder.glob("*.tgz")
    text = template(HELMS[1], "full", chart=made)
    if parse(text) != parse(template(HELMS[1], "full")):
        raise AssertionError(f"{made.name} makes other objects than the folder")
    return f"helm package makes {made.name}, which makes the same objects"


def notes() -> str:
    """By Helm 4 alone: Helm 3 asks a cluster before it says any."""
    for name in SETS:
        done = run(HELMS[1], "install", f"vestibule-{name}", CHART, "--dry-run=client", "--namespace", NAMESPACE, "--values", values_of(name))
        said = done.stdout.partition("\nNOTES:\n")[2]
        wanted = [yaml.safe_load(values_of(name).read_text())["publicUrl"], "rollout status deployment/", "vestibule doctor", "Back", "-ops, port 9090"]
        missing = [text for text in wanted if text not in said]
        if done.returncode != 0 or missing:
            raise AssertionError(f"values {name}: the notes do not say {missing}: {done.stderr}{said}")
    return "the notes say the address, how to wait, what to ask the doctor, what to back up and where the metrics are"


def old_clusters_are_refused() -> str:
    for helm in HELMS:
        done = run(helm, "template", "v", CHART, "--values", values_of("default"), "--kube-version", "1.27.9")
        if done.returncode == 0 or "1.28" not in done.stderr:
            raise AssertionError(f"{helm.name} takes Kubernetes 1.27: {done.stderr}")
        template(helm, "default", "--kube-version", "1.28.0-gke.1")
    return "Kubernetes 1.27 is refused, 1.28 is not"
