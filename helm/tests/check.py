"""Checks the Helm chart, its alerts and its dashboard. Each check says what it looked at; the first that fails ends it. Started by script/chart."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import yaml

import documents
import monitoring
import objects
import render

HERE = pathlib.Path(__file__).resolve().parent


def merged(base: Any, change: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return {**base, **{key: merged(base.get(key), value) for key, value in change.items()}}


def refusals() -> str:
    cases = yaml.safe_load((HERE / "refusals.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        values = pathlib.Path(folder) / "values.yaml"
        for number, case in enumerate(cases):
            base = yaml.safe_load(render.values_of(case.get("base", "default")).read_text())
            values.write_text(yaml.safe_dump(merged(base, case["set"])))
            # Both have their own words for what a schema refuses, so they take turns there; templates are the same by both.
            helm = render.HELMS[number % 2]
            done = render.run(helm, "template", "v", render.CHART, "--values", values)
            if done.returncode == 0:
                raise AssertionError(f"{case['set']} was not refused")
            missing = [text for text in case["says"] if text not in done.stderr]
            if missing:
                raise AssertionError(f"{case['set']} was refused by {helm.name} without {missing}: {done.stderr}")
            if "hunter2" in done.stderr:
                raise AssertionError(f"the refusal of {case['set']} repeats the secret: {done.stderr}")
    return f"{len(cases)} bad values are refused by name"


def findings(rendered: objects.Rendered) -> str:
    """checkov's, each of which is either put right, or accepted in checkov.yaml with a reason."""
    accepted = yaml.safe_load((HERE / "checkov.yaml").read_text())
    found: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, made in rendered.items():
            (pathlib.Path(folder) / f"{name}.yaml").write_text(yaml.safe_dump_all(made))
        command = [render.INSTALLED / "checkov" / "bin" / "checkov", "--directory", folder, "--framework", "kubernetes", "--output", "json"]
        done = subprocess.run([*command, "--skip-download", "--quiet", "--compact"], capture_output=True, text=True)
    report = json.loads(done.stdout)
    if report["summary"]["parsing_errors"] or report["summary"]["passed"] == 0:
        raise AssertionError(f"checkov did not read the objects: {report['summary']}")
    for failed in report["results"]["failed_checks"]:
        found.setdefault(failed["check_id"], set()).add(pathlib.Path(failed["file_path"]).stem)
    allowed = {check: set(entry["with"]) for check, entry in accepted.items()}
    if found != allowed:
        raise AssertionError(f"checkov finds {found}, and checkov.yaml accepts {allowed}")
    return f"checkov: {report['summary']['passed']} checks passed; {len(found)} findings are accepted with reasons"


def main() -> None:
    started = time.monotonic()

    def check(name: str, what: Callable[..., str], *arguments: Any) -> None:
        began = time.monotonic()
        try:
            said = what(*arguments)
        except AssertionError as error:
            print(f"FAILED  {name}: {error}", flush=True)
            sys.exit(1)
        print(f"ok      {name}: {said} ({time.monotonic() - began:.1f} s)", flush=True)

    made: dict[str, render.Objects] = {}

    def renders() -> str:
        found, said = render.renders()
        made.update(found)
        return said

    check("documents", documents.check)
    check("versions", objects.versions_agree)
    check("lint", render.lints)
    check("render", renders)
    with tempfile.TemporaryDirectory() as folder:
        check("package", render.package, pathlib.Path(folder))
    check("notes", render.notes)
    check("old clusters", render.old_clusters_are_refused)
    check("schemas", objects.schemas_are_kept, made)
    check("restricted", objects.pods_are_restricted, made)
    check("references", objects.references_lead_somewhere, made)
    check("hooks", objects.hooks_come_in_order, made)
    check("selectors", objects.services_find_servers_alone, made)
    check("end", objects.ends_have_time, made)
    check("settings", objects.settings_are_complete)
    check("settings' file", objects.files_of_settings_are_right, made)
    with tempfile.TemporaryDirectory() as folder:
        check("upgrade", objects.upgrades_change_nothing_fixed, pathlib.Path(folder))
    check("refusals", refusals)
    groups = {name: one["spec"]["groups"] for name, all_of in made.items() for one in all_of if one["kind"] == "PrometheusRule"}
    check("rules", monitoring.rules_are_well_formed, groups)
    check("limit of memory", monitoring.memory_limit_is_the_releases, groups, {"ha": 512 * 1024**2, "full": 2 * 1024**3})
    check("alerts", monitoring.alerts_fire_and_keep_quiet)
    check("runbook", monitoring.every_alert_is_in_the_runbook)
    check("dashboard", monitoring.dashboard_is_well_formed)
    check("metrics", monitoring.metrics_exist)
    check("policy", findings, made)
    print(f"the chart is right ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        documents.write()
    else:
        main()
