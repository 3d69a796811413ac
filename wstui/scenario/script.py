"""A Python file as a scenario: its roles, its steps and what scenario it names. It is read, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wstui.scenario.errors import Problem, ScenarioError, printable, quote

_EXAMPLE = 'scenario = "chat.toml"'


@dataclass(frozen=True, slots=True)
class ScriptRole:
    """A function with `@wstui.role`: its name, the settings of its decorator, and the steps that it names."""

    name: str
    settings: dict[str, Any]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """What a script says of itself. `scenario` is the name of a TOML file, the tables of one, or None."""

    roles: tuple[ScriptRole, ...]
    scenario: str | dict[str, Any] | None

    def role(self, name: str) -> ScriptRole | None:
        """Return the role of this name."""
        return next((role for role in self.roles if role.name == name), None)


def is_script(name: str) -> bool:
    """Return whether a file is a script by its name."""
    return name.endswith(".py")


def read_script(text: str, file: str) -> Script:
    """Return what a script says of itself. Raises ScenarioError."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f" at line {error.lineno}" if isinstance(error, SyntaxError) else ""
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        raise _problem(file, f"is not valid Python: {printable(why)}{line}") from None
    roles = tuple(_roles(tree, file))
    if not roles:
        raise _problem(file, "has no role: write @wstui.role above `async def member(client)`")
    for index, role in enumerate(roles):
        if role.name in [other.name for other in roles[:index]]:
            raise _problem(file, f"has two roles with the name {role.name}")
    return Script(roles, _scenario(tree, file))


def _scenario(tree: ast.Module, file: str) -> str | dict[str, Any] | None:
    found: str | dict[str, Any] | None = None
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "scenario" for target in targets):
            found = _literal(node.value, "scenario", file)  # type: ignore[attr-defined]
            if not isinstance(found, str | dict):
                raise _problem(file, f"line {node.lineno}: scenario is a file name or a dict: {_EXAMPLE}")
    return found


def _roles(tree: ast.Module, file: str) -> Iterator[ScriptRole]:
    for node in tree.body:
        if not isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        mark = next((decorator for decorator in node.decorator_list if _is_role(decorator)), None)
        if mark is None:
            continue
        if isinstance(node, ast.FunctionDef):
            raise _problem(file, f"line {node.lineno}: {node.name} must be an `async def`, or nothing could be awaited")
        arguments = node.args
        if len(arguments.args) + len(arguments.posonlyargs) != 1 or arguments.kwonlyargs:
            raise _problem(file, f"line {node.lineno}: {node.name} takes one argument, the client")
        settings: dict[str, Any] = {}
        for keyword in mark.keywords if isinstance(mark, ast.Call) else []:
            if keyword.arg is None:
                raise _problem(file, f"line {mark.lineno}: @wstui.role takes its settings by name")
            settings[keyword.arg] = _literal(keyword.value, f"{keyword.arg} of @wstui.role", file)
        steps = (
            call.args[0].value
            for call in ast.walk(node)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "step"
            if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
        )
        yield ScriptRole(node.name, settings, tuple(dict.fromkeys(steps)))


def _is_role(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return "role" in (getattr(function, "attr", ""), getattr(function, "id", ""))


def _literal(value: ast.expr, what: str, file: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        message = f"line {value.lineno}: {what} is read without running the script: write plain values, and ${{NAME}}"
        raise _problem(file, f"{message} for a variable of the environment") from None


def _problem(file: str, message: str) -> ScenarioError:
    return ScenarioError(Problem(printable(file), "", message))


def tables_of(script: Script, file: str, name: str, base: dict[str, Any]) -> dict[str, Any]:
    """Return the tables `base` of a scenario with the roles of a script, which they call `name`.

    What a table of [[roles]] says of a role goes before what its decorator says.
    """
    roles = [role for role in base.get("roles", []) if isinstance(role, dict)]
    own = {role.get("name"): role for role in roles}
    for role in script.roles:
        if "name" in role.settings:
            raise _problem(file, f"{role.name}: a role has the name of its function: leave name out of @wstui.role")
        made = {"name": role.name, **role.settings, **own.get(role.name, {}), "script": name}
        if role.name in own:
            own[role.name].clear()
            own[role.name].update(made)
        else:
            roles.append(made)
    return {**base, "roles": roles}


def lacking(text: str, file: str, role: str) -> str:
    """Return why a script is not that of a role, or ""."""
    try:
        script = read_script(text, file)
    except ScenarioError as error:
        return error.problems[0].message
    if script.role(role) is not None:
        return ""
    return f"has no role {quote(role)}: there are {', '.join(found.name for found in script.roles)}"
