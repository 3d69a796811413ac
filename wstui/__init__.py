"""wstui: a load tester for WebSocket servers that lives in the terminal.

import wstui

result = wstui.run_sync(wstui.Scenario(...))
assert result.passed
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wstui.control.python_client import attach
    from wstui.execution.api import run, run_sync
    from wstui.execution.run.result import Result
    from wstui.load.conversation.script_client import Client, role
    from wstui.load.conversation.script_steps import StepFailed
    from wstui.scenario.model import Auth, Messages, Scenario, Stage, Target, Threshold

__all__ = [
    "Auth", "Client", "Messages", "Result", "Scenario", "Stage", "StepFailed", "Target", "Threshold", "attach", "role",
    "run", "run_sync",
]  # fmt: skip

_HOMES = {
    "attach": "wstui.control.python_client",
    "run": "wstui.execution.api",
    "run_sync": "wstui.execution.api",
    "Result": "wstui.execution.run.result",
    **dict.fromkeys(("Client", "role"), "wstui.load.conversation.script_client"),
    "StepFailed": "wstui.load.conversation.script_steps",
    **dict.fromkeys(("Auth", "Messages", "Scenario", "Stage", "Target", "Threshold"), "wstui.scenario.model"),
}


def __getattr__(name: str) -> Any:
    # A worker is a process of its own that starts with this import: it needs none of these.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'wstui' has no attribute {name!r}")
