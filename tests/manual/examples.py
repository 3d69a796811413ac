"""The marked examples of README and manual: fenced code between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "wstui" / "manual").glob("*.md"))
FILES = [ROOT / "README.md", *PAGES]
_MARKED = re.compile(r"<!-- ([\w-]+) -->\n```(\w+)\n(.*?)```\n<!-- /\1 -->", re.DOTALL)


def examples(language: str = "") -> dict[str, str]:
    """Return the marked examples by name; each name stands once in all files."""
    found: dict[str, str] = {}
    for file in FILES:
        for name, written, text in _MARKED.findall(file.read_text()):
            assert name not in found, f"{name} stands twice"
            found[name] = text if language in ("", written) else ""
    return {name: text for name, text in found.items() if text}


def block(name: str) -> str:
    """Return the example of this name."""
    return examples()[name]
