"""Turn a parsed file into a model: resolve references, validate fields, collect every problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from wstui.scenario.checks import findings
from wstui.scenario.env_refs import (
    Origin,
    Reference,
    expand,
    has_reference,
    hide_defaults,
    names_in,
    replaced,
    secret_values,
    value_at,
    walk,
)
from wstui.scenario.errors import BadValue, Key, Problem, ScenarioError, dotted, printable, without_secrets
from wstui.scenario.model import Load, Scenario, Suite
from wstui.scenario.secret_fields import empty_secrets, holds_url, is_secret, keeps_secrets
from wstui.scenario.secrets import masker
from wstui.scenario.types import FROM_FILE, without_ends
from wstui.scenario.validation_errors import diagnose, show

# what a broken item of a list is taken for while the rest is checked, and which of its own keys may stay
_STAND_INS: dict[str, tuple[dict[str, Any], frozenset[str]]] = {
    "stages": ({"name": "?", "over": "1s"}, frozenset({"name", "over", "clients", "arrive", "stay", "every"})),
    "thresholds": ({"metric": "connect.success", "limit": ">= 0%"}, frozenset({"stage"})),
}

_SENT_BARE: set[Key] = {("auth", "token"), *(("target", name) for name in ("headers", "origin", "subprotocols"))}
"""Where a variable stands for a part of the upgrade request, whose lines a line end would break."""


_STAGE_OF_LOAD: dict[Key, Key] = {
    ("load", "clients"): ("stages", 0, "clients"),
    ("load", "ramp"): ("stages", 0, "over"),
    ("load", "hold"): ("stages", 1, "over"),
    ("load", "cooldown"): ("stages", 2, "over"),
}


class Loaded:
    """One file. `overrides` are values by dotted key that stand in for a scenario's own."""

    def __init__(
        self,
        file: str,
        data: dict[str, Any],
        environ: Mapping[str, str],
        overrides: Mapping[str, Any],
        text: str = "",
    ) -> None:
        self._file = file
        self._text = text
        self._model: type[Scenario | Suite] = Suite if "suite" in data else Scenario
        self._problems: dict[Key, Problem] = {}  # the first at each place
        self._conflicting: set[Key] = set()
        self._written: dict[Key, str] = {}  # texts with references, as the file has them
        self._warnings: list[str] = []
        self._secrets: list[str] = []
        self._order = list(data)
        if self._model is Suite:  # they are for its members
            overrides = {}
        for key in overrides:
            _remove(data, tuple(key.split(".")))
        self._data = self._resolve(data, environ)
        for key, value in overrides.items():
            _put(self._data, tuple(key.split(".")), value)

    def result(self, complete: bool = True) -> Scenario | Suite:
        """Return the model, or raise `ScenarioError` with every problem; `complete`: of field combinations too."""
        if self._model is Scenario:
            self._expand_load()
        if self._file:
            self._data.setdefault("name", Path(self._file).stem)
        made = self._validate(self._data, report=True)
        if complete:
            best = made or self._validate(self._with_stand_ins(), report=False)
            if isinstance(best, Scenario):
                self._check(best)
        if self._problems or made is None:
            in_lists = {key for key in self._problems if any(isinstance(part, int) for part in key)}
            placed = [
                replace(problem, place=self._place_of(key)) if key in in_lists | self._conflicting else problem
                for key, problem in self._problems.items()
            ]
            found = sorted(placed, key=self._order_of)
            raise ScenarioError(without_secrets(problem, self._secrets) for problem in found)
        values = made.model_dump()
        references = {key: Reference(raw, value_at(values, key)) for key, raw in self._written.items()}
        secrets = tuple(self._secrets)
        made._origin = Origin(self._file, references, tuple(self._warnings), values=values, secrets=secrets)
        return made

    def _place_of(self, key: Key) -> str:
        if not self._file or not self._text:
            return ""
        from wstui.scenario.toml_lines import place_of

        return place_of(key, self._lines, self._data)

    @cached_property
    def _lines(self) -> dict[Key, int]:
        from wstui.scenario.toml_lines import lines_of

        return lines_of(self._text)

    def _order_of(self, problem: Problem) -> int:
        """Return a sort key: problems appear in the order of the file's sections."""
        section = re.split(r"[.\[]", problem.key)[0]
        return self._order.index(section) if section in self._order else len(self._order)

    def _resolve(self, data: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
        resolved: dict[Key, str] = {}
        for key, raw in walk(data):
            if not keeps_secrets(key, raw):
                self._warnings.append(f"{dotted(key)} holds a secret in plain text; saving writes a reference instead.")
            if not has_reference(raw):
                continue
            if secrets := secret_values(raw, environ):
                self._secrets += secrets
            try:
                text, missing = expand(raw, _without_ends(raw, environ) if key[:2] in _SENT_BARE else environ)
            except BadValue as error:
                self._add(key, error.message, show(key, raw))
                continue
            resolved[key] = masker(tuple(self._secrets))(text) if _is_label(key) else text
            self._written[key] = raw
            if missing:
                are = "is" if len(missing) == 1 else "are"
                message = f'{" and ".join(missing)} {are} not set: set it, or write "${{{missing[0]}:-default}}"'
                self._add(key, message, show(key, raw))
            elif empty := empty_secrets(key, raw, environ):
                message = f'needs {empty[0]}, which is empty: set it, or write "${{{empty[0]}:-}}" where it may be'
                self._add(key, message)
        return cast(dict[str, Any], replaced(data, resolved))

    def _expand_load(self) -> None:
        if "load" not in self._data:
            return
        table = self._data.pop("load")
        if "stages" in self._data:
            self._add(("load",), "says the same as [[stages]]: keep one of them")
            return
        try:
            short = Load.model_validate(table, context=FROM_FILE)
        except ValidationError as error:
            self._report(diagnose(error, self._file, Load, ("load",)))
            return
        self._data["stages"] = [
            {"name": "ramp", "over": table["ramp"], "clients": short.clients},
            {"name": "hold", "over": table["hold"]},
        ]
        if short.cooldown is not None:
            self._data["stages"].append({"name": "cooldown", "over": table["cooldown"], "clients": 0})
        self._written = {_STAGE_OF_LOAD.get(key, key): raw for key, raw in self._written.items()}

    def _validate(self, data: dict[str, Any], *, report: bool) -> Scenario | Suite | None:
        try:
            return self._model.model_validate(data, context=FROM_FILE)
        except ValidationError as error:
            if report:
                self._report(diagnose(error, self._file, self._model))
            return None

    def _with_stand_ins(self) -> dict[str, Any]:
        """Return the data with broken parts dropped or replaced, so that the rest is checked too."""
        data = cast(dict[str, Any], replaced(self._data, {}))
        for key in self._problems:
            _remove(data, key[:3] if key[0] in _STAND_INS else key[:2])
        for section, index in {key[:2] for key in self._problems if len(key) > 1 and key[0] in _STAND_INS}:
            if isinstance(items := data.get(str(section)), list) and isinstance(index, int):
                stand_in, own = _STAND_INS[str(section)]
                item = items[index] if isinstance(items[index], dict) else {}
                items[index] = stand_in | {name: item[name] for name in own & item.keys()}
        return data

    def _check(self, scenario: Scenario) -> None:
        # the files that it names may be beside it
        scenario._origin = Origin(self._file, {key: Reference(raw, None) for key, raw in self._written.items()})
        unreadable = list(self._problems)
        for finding in findings(scenario):
            needed = (finding.key, *finding.rests_on)
            if finding.unset and finding.key in self._written:
                raw = hide_defaults(self._written[finding.key])
                self._warnings.append(f"{dotted(finding.key)} is empty: a run needs what {printable(raw)} refers to.")
            elif not any(_overlap(key, broken) for key in needed for broken in unreadable):
                self._conflicting.add(finding.key)
                self._report({finding.key: finding.problem(self._file)})

    def _report(self, problems: Mapping[Key, Problem]) -> None:
        for key, problem in problems.items():
            if any(key[: len(known)] == known for known in self._problems):
                continue
            raw = self._written.get(key)
            if raw is not None and not is_secret(key) and not holds_url(key):
                problem = replace(problem, value=f"{problem.value} (from {printable(raw)})")
            self._problems[key] = problem

    def _add(self, key: Key, message: str, value: str = "") -> None:
        self._problems[key] = Problem(self._file, dotted(key), message, value)


def _without_ends(raw: str, environ: Mapping[str, str]) -> dict[str, str]:
    return {name: without_ends(environ[name]) for name in names_in(raw) if name in environ}


def _is_label(key: Key) -> bool:
    """Return whether a text is only displayed, so that it must not hold a secret."""
    names = [part for part in key if isinstance(part, str)]
    return names in (["name"], ["description"], ["stages", "name"], ["thresholds", "stage"])


def _overlap(one: Key, other: Key) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _remove(data: Any, key: Key) -> None:
    table = value_at(data, key[:-1])
    if isinstance(table, dict):
        table.pop(key[-1], None)


def _put(data: dict[str, Any], key: Key, value: Any) -> None:
    *tables, name = map(str, key)
    for table in tables:
        inner = data.setdefault(table, {})
        if not isinstance(inner, dict):
            return  # the model says what is wrong with it
        data = inner
    data[name] = value
