"""Scenario files on disk: TOML in, a checked `Scenario` or `Suite` out, and back without secrets."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from wstui.scenario.errors import PresetExistsError, Problem, ScenarioError, dotted, printable, quote
from wstui.scenario.file_refs import located, shipped_folder
from wstui.scenario.loader import Loaded
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.role_inputs import certificates_in_roles, files_in_roles, with_files
from wstui.scenario.script import is_script, read_script, tables_of
from wstui.scenario.toml_dump import written
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


LARGEST_FILE = 1 << 20
_TOO_LARGE = 'is larger than 1 MiB: if it is a scenario, keep large payloads in files, as file = "payload.json"'
MOST_DIGITS = 4300
"""Digits of a whole number that Python reads (`sys.int_info.default_max_str_digits`)."""
SCHEMA = "scenario.schema.json"
"""The JSON Schema that shipped presets name in their first line, and that lies beside them."""
_SCHEMA_LINE = f"#:schema ./{SCHEMA}\n"
_LONG_NUMBER = re.compile(rf"(?<![\w.])[+-]?\d(?:_?\d){{{MOST_DIGITS - 1},}}")


def load(
    source: str | os.PathLike[str],
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    complete: bool = True,
) -> Scenario | Suite:
    """Return the scenario or suite in a file.

    Args:
        source: path of a TOML file, or of a script.
        environ: resolves references; the process's own environment by default.
        overrides: values by dotted key ("target.url") that stand in for the file's, whatever it says there.
        complete: also check what must hold between fields; False leaves that to `override.apply`.

    Raises:
        ScenarioError: with every problem of the file.
    """
    path = Path(source)
    text = _read(path)
    if is_script(path.name):
        return _of_script(path, text, os.environ if environ is None else environ, overrides or {}, complete)
    return loads(text, str(path), environ, overrides, complete=complete)


def _of_script(
    path: Path, text: str, environ: Mapping[str, str], overrides: Mapping[str, Any], complete: bool
) -> Scenario | Suite:
    """Return the scenario that a script names, with the script's roles. Nothing of the script is run."""
    script = read_script(text, str(path))
    file, base = str(path), ""
    match script.scenario:
        case None:
            message = 'names no scenario: write scenario = "chat.toml", or a dict with its tables'
            raise ScenarioError(Problem(printable(file), "", message))
        case str(name):
            file = located(name, file)
            base = _read(Path(file))
            tables, called = _parsed(base, file), os.path.relpath(path.resolve(), Path(file).resolve().parent)
        case tables:
            called = path.name
    made = Loaded(file, tables_of(script, str(path), called, tables), environ, overrides).result(complete)
    made._origin = replace(made._origin, text=base)
    return made


def loads(
    text: str,
    file: str = "",
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    complete: bool = True,
) -> Scenario | Suite:
    """Return the scenario or suite in a text; `file` is the name that problems show."""
    made = Loaded(file, _parsed(text, file), os.environ if environ is None else environ, overrides or {}, text).result(
        complete
    )
    made._origin = replace(made._origin, text=text)
    return made


def _parsed(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(_broken_toml(error, text, file)) from None
    except RecursionError:
        message = "has brackets nested too deeply: roles take 8 levels of steps, JSON a few hundred"
        raise ScenarioError(Problem(file, "", message, place=f"line {_deepest(text)}")) from None
    except ValueError:  # of int(), which reads MOST_DIGITS at most
        found = _LONG_NUMBER.search(text)
        if found is not None:  # without its last digits it names the field and its bound
            cut = _LONG_NUMBER.sub(lambda match: match[0][:MOST_DIGITS], text)
            loads(cut, file)
        line = text.count("\n", 0, found.start()) + 1 if found is not None else 0
        message = f"has a number that is too long at line {line}: {MOST_DIGITS} digits at most"
        raise ScenarioError(Problem(file, "", message)) from None


def dumps(scenario: Scenario | Suite) -> str:
    """Return the TOML text of a scenario, without secrets. It loads equal in the same environment.

    What was read from a text keeps its comments, its layout and its references where only values changed.
    """
    plain = written(scenario)
    if not scenario.origin.text:
        return plain
    from wstui.scenario.toml_edit import edited  # tomlkit takes 25 ms to load

    # Text that was edited in place is only used if it says the same as text written from scratch.
    with contextlib.suppress(Exception):
        text = edited(scenario)
        if loads(text, complete=False) == loads(plain, complete=False):
            return text
    return plain


def save(scenario: Scenario | Suite, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write the scenario to a file and return its path; see `write`.

    Files that lie beside the preset it came from are named by their whole path where it is saved somewhere else.
    """
    return write(Path(path), dumps(rebased(scenario, Path(path))), overwrite)


def write(path: Path, text: str, overwrite: bool = False) -> Path:
    """Write a file atomically, with its folders; a replaced file keeps its mode.

    A text that names the JSON Schema gets it beside it, so that an editor goes on completing the copy of a preset.

    Raises:
        PresetExistsError: the file is there and `overwrite` is False.
        ScenarioError: it cannot be written.
    """
    shown = printable(str(path))
    try:
        target = path.resolve()
        if target.exists() and not overwrite:
            raise PresetExistsError(Problem(shown, "", "is there already and was not overwritten"))
        target.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith(_SCHEMA_LINE):
            _replace(target.with_name(SCHEMA), (shipped_folder() / SCHEMA).read_bytes())
        _replace(target, text.encode())
    except (OSError, ValueError) as error:
        raise ScenarioError(Problem(shown, "", f"cannot be written: {_why(error)}")) from None
    return path


def _replace(target: Path, content: bytes) -> None:
    try:
        mode = target.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {_why(error)}"
        raise ScenarioError(Problem(printable(str(path)), "", reason)) from None
    if len(raw) > LARGEST_FILE:
        raise ScenarioError(Problem(printable(str(path)), "", _TOO_LARGE))
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ScenarioError(Problem(printable(str(path)), "", f"is not UTF-8 text (line {line})")) from None


def _why(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _deepest(text: str) -> int:
    """Return the line where brackets are nested most deeply, be they in strings or not."""
    depth = deepest = found = 0
    for at, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        if depth > deepest:
            deepest, found = depth, at
    return text.count("\n", 0, found) + 1


def _broken_toml(error: tomllib.TOMLDecodeError, text: str, file: str) -> Problem:
    """Take the place from the end of the message: "(at line 3, column 7)", or nothing at the end of the document."""
    message, _, _ = str(error).rpartition(" (at ")
    found = re.search(r"\(at line (\d+), column (\d+)\)$", str(error))
    lines = text.splitlines() or [""]
    line, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
    reason = message[:1].lower() + message[1:]
    if "immutable namespace" in message:
        name = ".".join(re.findall(r"'([^']*)'", message))
        reason = f"{name} has its values in brackets already: add to those, or write each as a table of its own,"
    # only up to the fault's key: the rest of the line may be a secret
    key = re.match(r"\s*([\w.\-\[\]]+)", lines[line - 1]) if line <= len(lines) else None
    near = f", near {quote(key[1])}" if key else ""
    return Problem(file, "", f"is not valid TOML: {reason} at line {line}, column {column}{near}")
