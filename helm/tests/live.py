"""Asks all that the dashboard and the alerts ask of a real Prometheus, which reads a running Vestibule: script/chart --live HOST:PORT of its `ops_listen`.

It ends with 1 when Prometheus does not take a query. Which series are there depends on what happened at that service, so those without a value are named for a
person to judge: a counter begins with the first thing that it counts.
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from typing import Any

import yaml

import monitoring


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port: int, query: str) -> list[Any]:
    address = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def wait(port: int, query: str, seconds: int) -> None:
    for _ in range(seconds * 2):
        try:
            if ask(port, query):
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"Prometheus had no answer to {query} in {seconds} s")


def main(target: str) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = pathlib.Path(folder) / "prometheus.yml"
        job = {"job_name": "vestibule", "static_configs": [{"targets": [target]}]}
        settings.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "rule_files": [str(monitoring.RULES)], "scrape_configs": [job]}))
        command = ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
        server = subprocess.Popen([*command, "--enable-feature=exemplar-storage", "--log.level=error"])
        try:
            wait(port, 'up{job="vestibule"} == 1', 30)
            # A rate needs some samples.
            time.sleep(15)
            report(port)
        finally:
            server.terminate()
            server.wait(30)


def report(port: int) -> None:
    questions = {f"dashboard: {panel}": expr for panel, expr in monitoring.queries().items()}
    for rule in monitoring.rules(yaml.safe_load(monitoring.RULES.read_text())["groups"]):
        questions[f"alert: {rule['alert']}"] = rule["expr"]
    silent: set[str] = set()
    answered = 0
    for where, expr in questions.items():
        for variable, text in monitoring.OF_GRAFANA.items():
            expr = expr.replace(variable, text)
        answered += bool(ask(port, expr))
        silent |= {name for name in re.findall(r"([a-zA-Z_:]\w*)\{", expr) if not ask(port, name)}
    print(f"{len(questions)} queries were taken, {answered} of them had data (an alert has some when it would fire)")
    counters = {name for name in silent if name.endswith(("_total", "_bucket"))}
    print(f"counters that nothing has begun: {', '.join(sorted(counters)) or 'none'}")
    print(f"gauges without a value: {', '.join(sorted(silent - counters)) or 'none'}")


if __name__ == "__main__":
    main(sys.argv[1])
