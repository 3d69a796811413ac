"""Reference sections made from the code: keys of scenarios, metrics, the result as JSON, the control socket."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module, resources
from importlib.resources.abc import Traversable
from typing import Any

from wstui.scenario.conversation.dialect import described as keys_of
from wstui.scenario.conversation.known_dialects import DIALECTS, kind_of
from wstui.scenario.fields import FieldKind, described, sentence
from wstui.scenario.model import Scenario
from wstui.scenario.threshold import DISTRIBUTIONS, FIGURES, MEANINGS, STATISTICS, STEP_COUNTS


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [heads, ["---"] * len(heads), *rows]
    lines = (" | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) for row in cells)
    return "\n".join(f"| {line} |" for line in lines)


def fields() -> str:
    """Return the tables of a scenario file with their keys, from the model that reads it."""
    tables: dict[str, list[tuple[str, ...]]] = {}
    for path, field in described(Scenario).items():
        if field.kind not in (FieldKind.TABLE, FieldKind.ROWS):
            parts = path.rpartition(".")
            kind = " or ".join(f"`{option}`" for option in field.options) or field.unit or field.kind.value
            values = f"{kind}, {field.bounds}" if field.bounds else kind
            default = "" if field.default in (None, "", [], {}) else f"`{field.default}`"
            tables.setdefault(parts[0], []).append((f"`{parts[2]}`", values, default, sentence(field.description)))
    heads = ("key", "value", "default", "meaning")
    rows = {path for path, field in described(Scenario).items() if field.kind is FieldKind.ROWS}
    for path in sorted(rows - tables.keys()):
        tables[path] = []  # steps inside steps
    return "\n\n".join(
        f"## {f'`[[{name}]]`' if name in rows else f'`[{name}]`' if name else 'Top level'}\n\n"
        f"{table(heads, keys) if keys else 'Steps again, with the same keys.'}"
        for name, keys in tables.items()
    )


def protocols() -> str:
    """Return the table of all protocols, and why each was written by hand, as its module says."""
    rows = []
    for name in DIALECTS:
        kind = kind_of(name)
        about = " ".join((sys.modules[kind.__module__].__doc__ or "").split())
        rows.append((f"`{name}`", kind.title, about.partition("Written by hand")[2].partition(": ")[2]))
    return table(("protocol", "what", "written by hand, because"), rows)


def protocol(name: str) -> str:
    """Return the options of a protocol, the keys of its steps, and its close codes."""
    kind = kind_of(name)
    parts = []
    for about, keys in (("Options, in `[target.options]`", kind.option_keys), ("Keys of a step", kind.step_keys)):
        if rows := [(f"`{key}`", f"`{default}`" if default else "", text) for key, default, text in keys_of(keys)]:
            parts.append(f"## {about}\n\n{table(('key', 'default', 'meaning'), rows)}")
    ranges = [(f"others from `{codes[0]}` to `{codes[-1]}`", meaning) for codes, meaning in kind.close_ranges.items()]
    if codes := [(f"`{code}`", meaning) for code, meaning in kind.closes.items()] + ranges:
        parts.append(f"## Close codes\n\n{table(('code', 'meaning'), codes)}")
    return "\n\n".join(parts)


def metrics() -> str:
    """Return the table of metrics, from the one that thresholds are checked by."""
    figures = [(f"`{name}`", unit or "a number", MEANINGS[name]) for name, unit in FIGURES.items()]
    families = [(f"`{name}.*`", "ms", MEANINGS[name]) for name in DISTRIBUTIONS]
    statistics = ", ".join(f"`{name}`" for name in STATISTICS)
    counts = ", ".join(f"`{name}`" for name in STEP_COUNTS)
    steps = [
        ("`step.NAME.*`", "ms", "time from when a step of a role was due to its answer, over all roles with that step"),
        ("`delivery.NAME.*`", "ms", "time from a stamp inside a message to its receipt, for one `delivery` of a role"),
        (
            "`stream.NAME-first.*`, `stream.NAME-gap.*`, `stream.NAME-underrun.*`",
            "ms",
            "of answers in parts: time to the first part, time between parts, and time without audio to play",
        ),
        ("`login.*`, `login.NAME.*`", "ms", "time that a client takes to log in, and that one request of it takes"),
    ]
    about = f"`*` is {statistics}, or any other percentile; of steps, deliveries and logins also {counts}."
    return f"{table(('metric', 'unit', 'meaning'), [*figures, *families, *steps])}\n\n{about}"


_INTERNAL = ("count", "take")
"""Methods of a script's client that the worker calls."""


def client() -> str:
    """Return what a script's client has and does, from its docstrings."""
    from wstui.load.conversation.script_client import Client  # imports a worker's loop

    about = (Client.__doc__ or "").partition("\n\n")[2]
    return f"{' '.join(about.split())}\n\n{_members(Client, 'client')}"


def attached() -> str:
    """Return what a program can do with a run that goes on, from the docstrings."""
    from wstui.control.python_client import AttachedRun

    return _members(AttachedRun, "run")


def _members(described: type, name: str) -> str:
    """Return the table of the public methods and properties of a class; `name` is that of its instance."""
    rows = []
    for member, value in vars(described).items():
        text = inspect.getdoc(value)
        if member.startswith("_") or member in _INTERNAL or not text:
            continue
        call = ""
        if inspect.isfunction(value):
            own = list(inspect.signature(value).parameters.values())[1:]
            plain = inspect.Signature([each.replace(annotation=inspect.Parameter.empty) for each in own])
            call = str(plain).replace("'", '"')
        awaited = "await " if inspect.iscoroutinefunction(value) else ""
        rows.append((f"`{awaited}{name}.{member}{call}`", text))
    return table(("call", "what it does"), rows)


def result() -> str:
    """Return each object of the result with its members, from the JSON Schema in the package."""
    from wstui.report.formats.result_schema import text as schema_text  # imports all of a run

    definitions: dict[str, Any] = json.loads(schema_text())["$defs"]
    first = ("Result", "SuiteResult")
    parts = []
    for name in (*first, *(each for each in definitions if each not in first)):
        described = definitions[name]
        rows = [
            (f"`{member}`", _type(schema), _default(schema, member in described.get("required", ())))
            for member, schema in described["properties"].items()
        ]
        text = described.get("description", "").replace("\n", " ").replace("  ", "\n\n")
        parts.append(f"## {name}\n\n{text}\n\n{table(('member', 'type', 'default'), rows)}")
    return "\n\n".join(parts)


def control() -> str:
    """Return the lines of the control socket, its commands, and the fields of a status, from their JSON Schema."""
    from wstui.control.line_schema import json_schema  # imports all of a run

    definitions = json_schema()["$defs"]
    heads = ("`type`", "members", "")

    def lines(names: Iterable[str]) -> str:
        return table(heads, (_line(definitions[name]) for name in names))

    to_run, from_run = (_names(definitions[name]) for name in ("ToRun", "FromRun"))
    fields = definitions["StatusChanged"]["properties"]["changed"]["properties"]
    return "\n\n".join(
        (
            "### To the run",
            lines(to_run),
            "### `command`",
            lines(_names(definitions["Request"]["properties"]["command"])),
            "### From the run",
            lines(from_run),
            "### `changed`",
            table(("field", "type"), [(f"`{name}`", _type(schema)) for name, schema in fields.items()]),
        )
    )


def _names(union: dict[str, Any]) -> list[str]:
    return [part["$ref"].rpartition("/")[2] for part in union["anyOf"]]


def _line(described: dict[str, Any]) -> tuple[str, str, str]:
    members = dict(described["properties"])
    (kind,) = members.pop("type")["enum"]
    told = []
    for name, schema in members.items():
        default = _default(schema, name in described["required"])
        kind_of_it = "one of those below" if "discriminator" in schema else _type(schema)
        told.append(f"`{name}` {kind_of_it}" + (f" ({default})" if default[:1] not in ("", "a") else ""))
    return f"`{kind}`", ", ".join(told), str(described.get("description", ""))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"[{', '.join(map(_type, schema['prefixItems']))}]"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"{_type(values)} by name"
    return str(schema.get("type", "any"))


def _default(schema: dict[str, Any], required: bool) -> str:
    return "always there" if required else json.dumps(schema["default"]) if "default" in schema else ""


_IMPORT = re.compile(r"^\s*(?:from|import) wstui\.(\w+)", re.MULTILINE)


def diagram() -> str:
    """Return each package in its layer, the highest first, with what it is and what it imports."""
    about, imports = _packages()
    layers: dict[int, list[str]] = defaultdict(list)
    for name in imports:
        layers[_height(name, imports)].append(name)
    order = [(height, name) for height in sorted(layers, reverse=True) for name in sorted(layers[height])]
    width = max(map(len, imports))
    rows = []
    for height, name in order:
        below = " ".join(sorted(imports[name], key=lambda other: (-_height(other, imports), other)))
        rows.append(f"{height:>2}  {name:<{width}}  {'─► ' + below if below else ''}".rstrip())
    described = table(("package", "holds"), [(f"`{name}`", about[name]) for _, name in order])
    return "\n".join(("```", *rows, "```", "", described))


def _packages() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return the first line of each package's docstring, and the packages that each imports."""
    root = resources.files("wstui")
    names = [each.name for each in root.iterdir() if each.is_dir() and (each / "__init__.py").is_file()]
    about, imports = {}, {}
    for name in names:
        about[name] = (import_module(f"wstui.{name}").__doc__ or "").split("\n\n")[0].replace("\n", " ").strip()
        found = {other for text in _sources(root / name) for other in _IMPORT.findall(text)}
        imports[name] = (found & set(names)) - {name}
    return about, imports


def _sources(folder: Traversable) -> Iterator[str]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _sources(each)
        elif each.name.endswith(".py"):
            yield each.read_text(encoding="utf-8")


def _height(name: str, imports: dict[str, set[str]], seen: frozenset[str] = frozenset()) -> int:
    """Return how many packages lie below this one at most."""
    return max((1 + _height(other, imports, seen | {name}) for other in imports[name] - seen), default=0)
