"""What is made from values.yaml: values.schema.json, and the table in README.md. The dashboard is made from dashboard.py.

The comment above each value is its description. A line `# @schema {…}` in it adds to the type that follows from the value. Objects take no keys
but their own, except for the few in `definitions` that Kubernetes describes better than we could.
"""

import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import yaml

from dashboard import dashboard

CHART = pathlib.Path(__file__).resolve().parents[1] / "vestibule"
VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"
BEGIN, END = "<!-- made from values.yaml: script/chart --write -->\n", "<!-- end -->\n"

# Passed on to the API server as they are, which knows what they may say; the rendered objects are held against its schemas.
OPEN = {"kubernetes"}

DEFINITIONS: dict[str, Any] = {
    "texts": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Names and texts"},
    "kubernetes": {"type": "object", "description": "As Kubernetes describes it"},
    "duration": {"type": ["string", "null"], "pattern": "^[0-9]+[smhd]$", "description": "A whole number with its unit s, m, h or d"},
    "quantity": {"type": "string", "pattern": "^[1-9][0-9]*(k|M|G|T|Ki|Mi|Gi|Ti)?$", "description": "A number of bytes, such as 512Mi"},
    "cpu": {"type": "string", "pattern": "^([1-9][0-9]*m|[0-9]+(\\.[0-9]+)?)$", "description": "An amount of CPU, such as 250m"},
    "amounts": {
        "type": "object",
        "additionalProperties": False,
        "description": "What is asked for, or may be taken",
        "properties": {
            "cpu": {"$ref": "#/definitions/cpu"},
            "memory": {"type": "string", "pattern": "^[1-9][0-9]*(k|M|G|Ki|Mi|Gi)$", "description": "Memory, such as 512Mi"},
            "ephemeral-storage": {"$ref": "#/definitions/quantity"},
        },
    },
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "description": "As in a container",
        "required": ["limits"],
        "properties": {
            "requests": {"$ref": "#/definitions/amounts"},
            "limits": {"allOf": [{"$ref": "#/definitions/amounts"}, {"required": ["memory"]}], "description": "May be taken"},
        },
    },
    "selector": {
        "type": "object",
        "additionalProperties": False,
        "description": "A selector of labels",
        "properties": {
            "matchLabels": {"$ref": "#/definitions/texts"},
            "matchExpressions": {"type": "array", "items": {"$ref": "#/definitions/kubernetes"}, "description": "As Kubernetes describes it"},
        },
    },
    "peer": {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "description": "A peer of a NetworkPolicy",
        "properties": {
            "namespaceSelector": {"$ref": "#/definitions/selector"},
            "podSelector": {"$ref": "#/definitions/selector"},
            "ipBlock": {
                "type": "object",
                "additionalProperties": False,
                "description": "A network",
                "required": ["cidr"],
                "properties": {
                    "cidr": {"type": "string", "description": "The network"},
                    "except": {"type": "array", "items": {"type": "string", "description": "Network"}, "description": "Networks in it that are left out"},
                },
            },
        },
    },
    "network": {
        "type": "object",
        "additionalProperties": False,
        "description": "A network and a port",
        "required": ["cidr", "port"],
        "properties": {
            "cidr": {"type": "string", "pattern": "/[0-9]+$", "description": "The network, such as 10.30.0.7/32"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "The port"},
        },
    },
    "parentRef": {
        "type": "object",
        "additionalProperties": False,
        "description": "A gateway",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "Its name"},
            "namespace": {"type": "string", "description": "Its namespace; that of the release unless set"},
            "sectionName": {"type": "string", "description": "The listener"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "The listener's port"},
            "group": {"type": "string", "description": "Of another kind of parent"},
            "kind": {"type": "string", "description": "Another kind of parent"},
        },
    },
}

TYPES = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object"}


class Value:
    """One value: its path, its default, and what its comment says."""

    def __init__(self, path: tuple[str, ...], default: Any, comment: list[str], children: "list[Value]") -> None:
        self.path, self.default, self.children = path, default, children
        schema = [line.removeprefix("@schema ") for line in comment if line.startswith("@schema ")]
        self.extra: dict[str, Any] = json.loads(schema[0]) if schema else {}
        self.description = " ".join(line for line in comment if not line.startswith("@schema "))
        if not self.description:
            raise SystemExit(f"values.yaml: {self.name} has no description above it")

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def is_leaf(self) -> bool:
        return not self.children or "$ref" in self.extra


def read(text: str | None = None) -> list[Value]:
    text = VALUES.read_text() if text is None else text
    lines = text.splitlines()

    def comment_above(line: int) -> list[str]:
        found: list[str] = []
        while line > 0 and lines[line - 1].lstrip().startswith("# "):
            line -= 1
            found.insert(0, lines[line].strip().removeprefix("# "))
        return found

    def values(node: yaml.MappingNode, default: dict[str, Any], path: tuple[str, ...]) -> list[Value]:
        found = []
        for key, child in node.value:
            own = (*path, key.value)
            comment = comment_above(key.start_mark.line)
            described = isinstance(child, yaml.MappingNode) and child.value and not any('"$ref"' in line for line in comment)
            children = values(child, default[key.value], own) if described else []
            found.append(Value(own, default[key.value], comment, children))
        return found

    return values(yaml.compose(text, yaml.CSafeLoader), yaml.load(text, yaml.CSafeLoader), ())


def schema_of(value: Value) -> dict[str, Any]:
    if "$ref" in value.extra:
        return {"description": value.description, **value.extra}
    kind: dict[str, Any] = {"description": value.description, "type": TYPES[type(value.default)]}
    match value.default:
        case bool():
            pass
        case int():
            kind["minimum"] = 1
            if value.path[-1] == "port":
                kind["maximum"] = 65535
        case str() if re.fullmatch("[0-9]+[smhd]", value.default) and not value.extra:
            return {"description": value.description, "$ref": "#/definitions/duration"}
        case {} if not value.default and not value.extra:
            return {"description": value.description, "$ref": "#/definitions/texts"}
        case [] if not value.extra:
            kind["items"] = {"$ref": "#/definitions/kubernetes"}
    # What may be left out of vestibule.toml may be null.
    if value.path[0] == "config" and not value.children:
        kind["type"] = [kind["type"], "null"]
    if value.children:
        kind["additionalProperties"] = False
        kind["properties"] = {child.path[-1]: schema_of(child) for child in value.children}
    properties = {**kind.get("properties", {}), **value.extra.get("properties", {})}
    kind.update(value.extra)
    if properties:
        kind["properties"] = properties
    if kind["type"] == "array" and "items" not in kind or kind["type"] == "object" and "additionalProperties" not in kind:
        raise SystemExit(f"values.yaml: {value.name} does not say what it holds; give it a line @schema")
    return kind


def schema() -> str:
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of Vestibule's chart",
        "description": "Made from values.yaml: script/chart --write",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "global": {"type": "object", "description": "What a chart around this one says to all; nothing of it is looked at"},
            **{value.path[0]: schema_of(value) for value in read()},
        },
        "definitions": DEFINITIONS,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def leaves(values: list[Value]) -> Iterator[Value]:
    for value in values:
        yield from [value] if value.is_leaf else leaves(value.children)


def table() -> str:
    out = []
    for value in read():
        if value.is_leaf:
            continue
        out += [f"### `{value.name}`\n", f"{value.description}\n", "| value | default | meaning |", "|---|---|---|"]
        out += [*rows(value.children), ""]
    single = ["### Single values\n", "| value | default | meaning |", "|---|---|---|"]
    single += [row(value) for value in read() if value.is_leaf]
    return "\n".join([*out, *single]) + "\n"


def rows(values: list[Value]) -> Iterator[str]:
    """A value that only holds others has a row for what these have in common."""
    for value in values:
        if value.is_leaf:
            yield row(value)
        else:
            yield f"| **`{value.name}`** | | {value.description} |"
            yield from rows(value.children)


def row(value: Value) -> str:
    default = json.dumps(value.default, ensure_ascii=False).replace("|", "\\|")
    return f"| `{value.name}` | `{default}` | {value.description.replace('|', chr(92) + '|')} |"


def readme() -> str:
    text = README.read_text()
    before, rest = text.split(BEGIN, 1)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.split(END, 1)[1]


MADE = {SCHEMA: schema, README: readme, CHART / "files" / "dashboard.json": dashboard}


def write() -> None:
    for path, make in MADE.items():
        path.write_text(make())


def check() -> str:
    for path, make in MADE.items():
        if not path.exists() or path.read_text() != make():
            raise AssertionError(f"{path.name} is not what its source makes of it: run script/chart --write")
    check_schema(json.loads(SCHEMA.read_text()), "")
    return f"{len(list(leaves(read())))} values; values.schema.json, README.md and the dashboard are what their sources make of them"


def check_schema(node: Any, path: str) -> None:
    """Every value is described, and every object is closed, but for those that are open on purpose."""
    if not isinstance(node, dict):
        return
    if "type" in node or "$ref" in node:
        if "$ref" not in node and not node.get("description"):
            if not re.search(r"/(additionalProperties)$", path):
                raise AssertionError(f"the schema has no description at {path}")
        if node.get("type") == "object" and "additionalProperties" not in node:
            allowed = {f"/definitions/{name}" for name in OPEN} | {"/properties/global"}
            if path not in allowed:
                raise AssertionError(f"the schema lets any key in at {path}")
    for key, child in node.items():
        if key in ("properties", "definitions", "patternProperties"):
            for name, inner in child.items():
                check_schema(inner, f"{path}/{key}/{name}")
        elif key in ("items", "additionalProperties"):
            check_schema(child, f"{path}/{key}")
