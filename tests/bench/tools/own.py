"""Ourselves as a user runs us, and the scripts that one writes on a library instead."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from tests.bench.clients import LIBRARIES
from tests.bench.tools.order import Order, Report, Tool

ROOT = Path(__file__).resolve().parents[3]

_PRESET = """
name = "bench"
[target]
url = "{order.url}"
ready = "open"
settle = "0s"
health = "off"
[[stages]]
name = "ramp"
over = "{order.ramp_s:g}s"
clients = {order.clients}
[[stages]]
name = "hold"
over = "{order.seconds:g}s"
[messages]
exchange = "echo"
every = "{order.every_s:g}s"
timeout = "4s"
[fleet]
workers = 1
[[thresholds]]
metric = "connections.dropped"
limit = "<= 0"
"""


_ROLE = """
[[roles]]
name = "member"
open = [{{ name = "auth", json = {{ type = "auth", token = "t" }}, expect = {{ type = "auth" }} }}]
[[roles.loop]]
name = "say"
json = {{ type = "say", seq = "{{{{seq}}}}" }}
expect = {{ type = "say", seq = "{{{{seq}}}}" }}
"""


def _wstui(program: str, order: Order) -> list[str]:
    preset = _PRESET.replace('exchange = "echo"\n', "") + _ROLE if order.talks else _PRESET
    (order.folder / "bench.toml").write_text(preset.format(order=order))
    return [program, "-m", "wstui", "run", "bench.toml", "--json", "report.json", "-q", "--no-store", "--no-probe"]


def _wstui_report(folder: Path, console: str) -> Report:
    result = json.loads((folder / "report.json").read_text())
    failures = "; ".join(f"{f['count']} × {f['message']}" for f in result["failures"][:3])
    messages = result["messages"]
    said = f"{messages['sent']} sent, {messages['received']} received, {messages['timed_out']} timed out"
    latency = result["latency_ms"]["response"]
    return Report({name: latency[name] for name in ("p50", "p95", "p99", "max")}, f"{said}; {failures or 'no failure'}")


def _script(name: str) -> Callable[[str, Order], list[str]]:
    return lambda program, order: [
        program, "-m", "tests.bench.scripts", name,
        order.url, str(order.clients), f"{order.every_s:g}", f"{order.seconds + order.ramp_s:g}",
        *(["talks"] if order.talks else []),
    ]  # fmt: skip


def _script_report(folder: Path, console: str) -> Report:
    line = next((line for line in console.splitlines() if line.startswith("{")), None)
    if line is None:
        return Report(said=f"nothing but {console.strip()[-100:]!r}")
    result = json.loads(line)
    latency = {name: result[name] for name in ("p50", "p95", "p99", "max")}
    return Report(latency, f"{result['count']} round trips; {result['errors'] or 'no errors'}")


def _library(name: str) -> Tool:
    package = LIBRARIES[name][0]
    return Tool(
        f"script on {name}",
        lambda: sys.executable if importlib.util.find_spec(package) else None,
        lambda _program: version(package),
        _script(name),
        _script_report,
        {"PYTHONPATH": str(ROOT)},
    )


TOOL = Tool("wstui", lambda: sys.executable, lambda _program: version("wstui"), _wstui, _wstui_report)
SCRIPTS = tuple(_library(name) for name in LIBRARIES)
