"""Rebase the files that a scenario names when it is saved to another folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from wstui.scenario.errors import dotted
from wstui.scenario.file_refs import located
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.role_inputs import certificates_in_roles, files_in_roles, with_files
from wstui.scenario.types import TomlTable

Content = TypeVar("Content", Scenario, Suite, Scenario | Suite)

FILES: tuple[tuple[str, str], ...] = (
    ("target", "ca_file"),
    ("target", "cert_file"),
    ("target", "key_file"),
    ("messages", "feed"),
    ("fleet", "ssh_config"),
)
"""The places that name a file, beside those in roles."""


def rebased(content: Content, path: Path) -> Content:
    """Return the scenario for `path`: names of files beside its old place become absolute."""
    file = content.origin.file
    if not isinstance(content, Scenario) or not file or Path(file).resolve().parent == path.resolve().parent:
        return content
    changed: dict[str, Any] = {}
    for table, name in FILES:
        part: TomlTable = changed.get(table) or getattr(content, table)
        if whole := _whole(getattr(part, name), file):
            changed[table] = part.model_copy(update={name: whole})
    in_roles = [*files_in_roles(content.roles), *certificates_in_roles(content.roles)]
    if any(_whole(name, file) for _, name in in_roles):
        changed["roles"] = [with_files(role, lambda name: _whole(name, file)) for role in content.roles]
    return content.model_copy(update=changed) if changed else content


def files_of(scenario: Scenario) -> list[tuple[str, str]]:
    """Return the role and path of every file that a scenario reads."""
    file = scenario.origin.file
    named = [(f"{table}.{name}", getattr(getattr(scenario, table), name)) for table, name in FILES]
    in_roles = [*files_in_roles(scenario.roles), *certificates_in_roles(scenario.roles)]
    named += [(dotted(key), name) for key, name in in_roles]
    return [("the preset", file)] * bool(file) + [(what, located(name, file)) for what, name in named if name]


def _whole(name: str, file: str) -> str:
    """Return the absolute path of a file found beside the preset, else ""."""
    place = located(name, file)
    return str(Path(place).resolve()) if name and place != name else ""
