"""The diagram of the packages, drawn from the imports of their modules."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module, resources
from importlib.resources.abc import Traversable

from wstui.manual.reference import table

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
