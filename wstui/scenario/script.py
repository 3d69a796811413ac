"""A Python file as a scenario: its roles, its steps and what scenario it names. It is read, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wstui.scenario.conversation.conditions import check_name
from wstui.scenario.errors import BadValue, Problem, ScenarioError, printable, quote

AWAITED = ("send", "send_json", "send_bytes", "expect", "meet", "think", "listen", "close")
"""The methods of a client that do nothing unless they are awaited."""
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
        yield_from = next((inner for inner in _own(node) if isinstance(inner, ast.Yield | ast.YieldFrom)), None)
        if yield_from is not None:
            raise _problem(file, f"line {yield_from.lineno}: {node.name} yields: a role awaits, and yields nothing")
        client = (arguments.posonlyargs + arguments.args)[0].arg
        for statement in ast.walk(node):
            if isinstance(statement, ast.Expr) and (method := _awaitable(statement.value, client)):
                message = f"line {statement.lineno}: {client}.{method} is not awaited, so nothing happens"
                raise _problem(file, f"{message}: write await {client}.{method}(…)")
        steps = []
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "step":
                name = call.args[0] if call.args else None
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    steps.append(_step_name(name.value, name.lineno, file))
        yield ScriptRole(node.name, settings, tuple(dict.fromkeys(steps)))


def _step_name(name: str, line: int, file: str) -> str:
    try:
        return check_name(name)
    except BadValue as error:
        raise _problem(file, f"line {line}: the name of a step, {quote(name)}, {error.message}") from None


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function, without those of functions inside."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own(child)


def _awaitable(value: ast.expr, client: str) -> str:
    """Return the method of a client that a statement calls without awaiting it, or ""."""
    function = value.func if isinstance(value, ast.Call) else None
    named = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == client
    return function.attr if named and function.attr in AWAITED else ""  # type: ignore[union-attr]


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
