"""Artillery: its own WebSocket engine measures no answers, so a processor does, as its documentation shows."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.tools.order import Order, Report, Tool, on_path, says

_ARTILLERY = """
config:
  target: "{order.url}"
  processor: "./steps.cjs"
  phases:
    - duration: {duration}
      arrivalCount: {order.clients}
  ws:
    timeout: 4
scenarios:
  - engine: ws
    flow:
      - function: "phase"
{login}      - loop:
          - function: "begin"
          - send:
              payload: "{{{{ ping }}}}"
              {answer}
          - function: "end"
        whileTrue: "more"
"""
_LOGIN = """      - send:
          payload: '{"type":"auth","token":"t"}'
          match: { json: "$.type", value: "auth" }
"""
_ARTILLERY_STEPS = """
const every = {every_ms:g}, lasts = {lasts_ms:g};
module.exports = {{
  phase(context, ee, next) {{ context.vars.end = Date.now() + lasts; setTimeout(next, Math.random() * every); }},
  begin(context, ee, next) {{
    context.vars.at = performance.now();
    if ({talks}) {{
      context.vars.seq = (context.vars.seq || 0) + 1;
      context.vars.ping = `{{"type":"say","seq":${{context.vars.seq}}}}`;
    }} else context.vars.ping = `{{"type":"ping","timestamp":${{Date.now()}}}}`;
    next();
  }},
  end(context, ee, next) {{
    const took = performance.now() - context.vars.at;
    ee.emit('histogram', 'trips', took);
    // The pace is kept from send to send, as far as the answer allows.
    if (every) setTimeout(next, Math.max(0, every - took)); else next();
  }},
  more(context, next) {{ next(Date.now() < context.vars.end); }},
}};
"""


def _artillery(program: str, order: Order) -> list[str]:
    values = {
        "order": order,
        "duration": max(1, round(order.ramp_s)),
        "every_ms": order.every_s * 1000,
        "lasts_ms": order.seconds * 1000,
        "talks": str(order.talks).lower(),
        "login": _LOGIN if order.talks else "",
        "answer": 'match: { json: "$.seq", value: "{{ seq }}" }'
        if order.talks
        else 'capture: { json: "$.timestamp", as: "back" }',
    }
    (order.folder / "script.yml").write_text(_ARTILLERY.format(**values))
    (order.folder / "steps.cjs").write_text(_ARTILLERY_STEPS.format(**values))
    return [program, "run", "--quiet", "--output", "report.json", "script.yml"]


def _artillery_report(folder: Path, console: str) -> Report:
    file = folder / "report.json"
    if not file.exists():
        return Report(said="no report")
    aggregate = json.loads(file.read_text())["aggregate"]
    trips = aggregate.get("summaries", {}).get("trips", {})
    counters: dict[str, int] = aggregate.get("counters", {})
    errors = ", ".join(f"{count} × {name[7:]}" for name, count in counters.items() if name.startswith("errors."))
    said = (
        f"{counters.get('websocket.messages_sent', 0)} sent, {counters.get('websocket.messages_received', 0)} received"
    )
    latency = {"p50": trips.get("p50"), "p95": trips.get("p95"), "p99": trips.get("p99"), "max": trips.get("max")}
    return Report(latency, f"{said}; {errors or 'no errors'}, {counters.get('vusers.failed', 0)} users failed")


TOOL = Tool(
    "Artillery",
    on_path("artillery"),
    says("--version"),
    _artillery,
    _artillery_report,
    {"ARTILLERY_DISABLE_TELEMETRY": "true", "CI": "1"},
)
