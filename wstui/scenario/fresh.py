"""New scenarios: the shipped preset of what a server speaks, with a URL and options of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from wstui.scenario.conversation.known_dialects import dialect
from wstui.scenario.file import load
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.model import Scenario

_ECHOED = {"type": "say", "id": "{{id}}", "text": "{{random text 20}}"}


def scenario_for(
    protocol: str,
    url: str = "",
    options: Mapping[str, Any] | None = None,
    *,
    echoes: bool = False,
    origin: str = "",
) -> Scenario:
    """Return a scenario for a server that speaks this; without a URL it keeps the preset's. Raises ScenarioError.

    If the server `echoes`, clients of the protocol "json" wait for what they have sent.
    """
    path = shipped_folder() / f"{protocol}.toml"
    made = load(path if path.is_file() else path.with_stem("json"), complete=False)
    assert isinstance(made, Scenario)
    changed: dict[str, Any] = {"protocol": protocol, "options": {**made.target.options, **(options or {})}}
    if url:
        changed["url"] = url
    if origin:
        changed["origin"] = origin
    host = re.sub(r"[^\w.-]+", "-", urlsplit(url).netloc.rpartition("@")[2]) if url else "new"
    target = made.target.model_copy(update=changed)
    loop = dialect(protocol, changed["options"]).begins_with()
    if protocol == "json" and echoes:
        loop = [{"name": "say", "json": _ECHOED, "expect": {"id": "{{id}}"}}]
    if loop:
        data = made.model_dump(exclude_unset=True)
        data["roles"][0]["loop"] = loop
        made = Scenario.model_validate(data)
    return made.model_copy(update={"name": f"{protocol}-{host}", "target": target})


def fresh() -> Scenario:
    """Return the scenario that a new one begins as."""
    return Scenario.model_validate(
        {
            "name": "my-scenario",
            "description": "",
            "stages": [
                {"name": "ramp", "over": "10s", "clients": 100},
                {"name": "hold", "over": "30s"},
            ],
            "thresholds": [
                {"metric": "connect.success", "limit": ">= 99%"},
                {"metric": "response.p99", "limit": "< 50ms"},
            ],
        }
    )
