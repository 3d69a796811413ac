"""Limits of untrusted presets: they may not bring an ssh configuration or send files by themselves."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from wstui.scenario.env_refs import names_in
from wstui.scenario.errors import Problem, dotted, printable, quote
from wstui.scenario.file_refs import is_same, located
from wstui.scenario.identity_checks import requested_urls, written_texts
from wstui.scenario.model import Scenario
from wstui.scenario.placeholder import variables as variables_in
from wstui.scenario.role_inputs import files_in_roles, variables_in_roles
from wstui.scenario.url import split_resource


def untrusted(scenario: Scenario, *, allow_files: bool = False) -> list[Problem]:
    """Return what a run needs permission for, each with the flag that grants it."""
    found, file = [ssh_problem(scenario), command_problem(scenario), *script_problems(scenario)], scenario.origin.file
    for key, name in () if allow_files else _files(scenario):
        if not _is_inside(located(name, file), file) and not _is_own(file):
            message = "lies outside the preset's folder and would be sent: --allow-files permits it"
            found.append(Problem(file, key, message, quote(name)))
    return [problem for problem in found if problem is not None]


def ssh_problem(scenario: Scenario) -> Problem | None:
    """Return why the preset's ssh configuration is not used: ssh runs the commands in it."""
    name = scenario.fleet.ssh_config
    if not name or not _is_written(scenario, "fleet", "ssh_config", name):
        return None
    path = located(name, scenario.origin.file)
    if any(_is_under(path, folder) for folder in (_config(), Path.home() / ".ssh")) or _is_allowed(path):
        return None
    message = f"may run commands of its own: name it with --ssh-config, or keep it in {_config()}"
    return Problem(scenario.origin.file, "fleet.ssh_config", message, quote(name))


def script_problems(scenario: Scenario) -> list[Problem]:
    """Return which scripts of a scenario may not run: they are programs, and were not allowed."""
    scripts = dict.fromkeys(role.script for role in scenario.roles if role.script)
    message = "is a Python program that runs with your rights: read it, then allow it with --allow-scripts"
    return [
        Problem(scenario.origin.file, SCRIPT, message, quote(script))
        for script in scripts
        if not _is_under(path := located(script, scenario.origin.file), _config()) and not _is_allowed(path)
    ]


def allow_scripts(scenario: Scenario) -> list[str]:
    """Let the scripts of a scenario run, in this process and as long as their content stays the same.

    Return those that were not allowed before.
    """
    new = [json.loads(problem.value) for problem in script_problems(scenario)]
    for script in new:
        path = str(Path(located(script, scenario.origin.file)).resolve())
        with contextlib.suppress(OSError):
            _allowed[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return new


def command_problem(scenario: Scenario) -> Problem | None:
    """Return why a command in the preset's hosts is not run: it may do anything on this machine."""
    if _is_own(scenario.origin.file) or "fleet.hosts" in scenario.origin.given:
        return None
    command = next((host for host in scenario.fleet.hosts if host.strip().startswith("exec:")), "")
    if not command:
        return None
    message = f"runs a command on this machine: name it with --hosts, or keep the preset in {_config()}"
    return Problem(scenario.origin.file, "fleet.hosts", message, quote(command))


def allow_ssh(scenario: Scenario) -> None:
    """Take a person's word for the ssh configuration that a preset names, as long as its content stays the same."""
    path = str(Path(located(scenario.fleet.ssh_config, scenario.origin.file)).resolve())
    content = Path(path).read_bytes()
    _allowed[path] = hashlib.sha256(content).hexdigest()
    if _INCLUDE.search(content):
        return  # what it includes may change: asked again the next time
    place = _config() / _REMEMBERED
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)  # for its owner alone
    with os.fdopen(handle, "w") as file:
        json.dump(_remembered() | {path: _allowed[path]}, file, indent=1)
    Path(name).replace(place)


SCRIPT = "roles.script"
_REMEMBERED = "allowed_ssh.json"
_INCLUDE = re.compile(rb"^\s*include\b", re.IGNORECASE | re.MULTILINE)
_allowed: dict[str, str] = {}


def _is_allowed(path: str) -> bool:
    """Return whether this content of the file was allowed."""
    try:
        path = str(Path(path).resolve())
        known = {_allowed.get(path), _remembered().get(path)} - {None}
        return bool(known) and hashlib.sha256(Path(path).read_bytes()).hexdigest() in known
    except (OSError, ValueError, RuntimeError):
        return False


def _remembered() -> dict[str, str]:
    """Return the permanently allowed files: path to sha256."""
    try:
        found = json.loads((_config() / _REMEMBERED).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def uses(scenario: Scenario) -> list[str]:
    """Return in words what a preset sends to its target from this machine, and what it only reads."""
    found = [f"sends to its target: {sent}"] if (sent := sends_away(scenario)) else []
    read = [(("target",), name, str(getattr(scenario.target, name))) for name in ("ca_file", "cert_file", "key_file")]
    read += [(("roles",), name, getattr(role, name)) for role in scenario.roles for name in ("cert_file", "key_file")]
    outside = [
        printable(path)
        for key, name, given in read
        if given and (key[0] == "roles" or _is_written(scenario, "target", name, given))
        if not _is_inside(path := located(given, scenario.origin.file), scenario.origin.file)
    ]
    servers = dict.fromkeys(split_resource(url)[0].rpartition("@")[2] for url in requested_urls(scenario))
    shown = ", ".join(printable(server.partition("://")[2] or server) for server in servers)
    requests = [f"makes HTTP requests to: {shown}"] if servers else []
    return found + requests + ([f"reads, and doesn't send: {', '.join(outside)}"] if outside else [])


def sends_away(scenario: Scenario) -> str:
    """Return in words what a preset sends to its target from this machine, or ""."""
    written = [ref.raw for key, ref in scenario.origin.references.items() if dotted(key) not in scenario.origin.given]
    names = {name for raw in written for name in names_in(raw)}
    names |= set(variables_in_roles(scenario.roles, scenario.origin.file)) | set(variables_in(written_texts(scenario)))
    files = [f"the file {printable(located(name, scenario.origin.file))}" for _, name in _files(scenario)]
    variables = [f"the variable{'s' * (len(names) > 1)} {', '.join(sorted(names))}"] if names else []
    return ", ".join([*dict.fromkeys(files), *variables])


def _files(scenario: Scenario) -> Iterator[tuple[str, str]]:
    messages = scenario.messages
    if messages.feed and _is_written(scenario, "messages", "feed", messages.feed):
        yield "messages.feed", messages.feed
    for key, name in files_in_roles(scenario.roles):  # the command line names none
        if key[-1] != "script":
            yield dotted(key), name


def _is_written(scenario: Scenario, table: str, name: str, value: str) -> bool:
    """Return whether a value comes from the preset, not from the command line or the editor."""
    return f"{table}.{name}" not in scenario.origin.given and _table(scenario, table).get(name) == value


def _table(scenario: Scenario, name: str) -> Any:
    return scenario.origin.values.get(name) or {}


def _is_own(file: str) -> bool:
    return not file or _is_under(file, _config())


def _is_inside(path: str, scenario_file: str) -> bool:
    return is_same(path, scenario_file) or _is_under(path, Path(scenario_file).parent)


def _is_under(path: str, folder: Path) -> bool:
    try:
        return Path(path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def _config() -> Path:
    return user_config_path("wstui", appauthor=False)
