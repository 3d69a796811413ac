"""k6, with its two WebSocket modules."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.bench.tools.order import Order, Report, Tool, on_path, says

_K6_COMMON = """
import {{ Trend, Counter }} from 'k6/metrics';
const trips = new Trend('trips', true);
const errors = new Counter('errors_seen');
export const options = {{
  scenarios: {{
    load: {{ executor: 'per-vu-iterations', vus: {order.clients}, iterations: 1, maxDuration: '{most:g}s' }},
  }},
  summaryTrendStats: ['p(50)', 'p(95)', 'p(99)', 'max', 'count'],
}};
export function handleSummary(data) {{ return {{ 'report.json': JSON.stringify(data.metrics) }}; }}
const every = {every_ms:g}, lasts = {lasts_ms:g}, phase = Math.random() * Math.max(every, {ramp_ms:g});
const talks = {talks};
let seq = 0, at = 0;  // of this client: each has a runtime of its own
const first = () => talks ? JSON.stringify({{ type: 'auth', token: 't' }}) : ping();
const ping = () => {{
  at = Date.now();
  return JSON.stringify(talks ? {{ type: 'say', seq: ++seq }} : {{ type: 'ping', timestamp: at }});
}};
const took = (text) => {{
  const answer = JSON.parse(text);
  if (!talks) trips.add(Date.now() - answer.timestamp);
  else if (answer.type === 'say' && answer.seq === seq) trips.add(Date.now() - at);
  else if (answer.type !== 'auth') errors.add(1);
}};
"""
_K6_WS = """
import ws from 'k6/ws';
export default function () {{
  ws.connect('{order.url}', {{}}, (socket) => {{
    socket.on('open', () => {{
      if (every === 0) socket.send(first());
      else socket.setTimeout(() => {{ socket.send(ping()); socket.setInterval(() => socket.send(ping()), every); }},
        phase + 1);
      socket.setTimeout(() => socket.close(), lasts);
    }});
    socket.on('message', (text) => {{ took(text); if (every === 0) socket.send(ping()); }});
    socket.on('error', (e) => errors.add(1));
  }});
}}
"""
_K6_NEW = """
import {{ WebSocket }} from '{module}';
export default function () {{
  const socket = new WebSocket('{order.url}');
  let timer = null;
  socket.addEventListener('open', () => {{
    if (every === 0) socket.send(first());
    else setTimeout(() => {{ socket.send(ping()); timer = setInterval(() => socket.send(ping()), every); }}, phase);
    setTimeout(() => {{ clearInterval(timer); socket.close(); }}, lasts);
  }});
  socket.addEventListener('message', (m) => {{ took(m.data); if (every === 0) socket.send(ping()); }});
  socket.addEventListener('error', (e) => errors.add(1));
  socket.addEventListener('close', () => clearInterval(timer));
}}
"""


def _k6(script: str) -> Callable[[str, Order], list[str]]:
    def command(program: str, order: Order) -> list[str]:
        values = {
            "order": order,
            "every_ms": order.every_s * 1000,
            "lasts_ms": order.seconds * 1000,
            "ramp_ms": order.ramp_s * 1000,
            "talks": str(order.talks).lower(),
            "most": order.seconds + 20,
            "module": _module(program) if script is _K6_NEW else "",
        }
        (order.folder / "script.js").write_text((_K6_COMMON + script).format(**values))
        return [program, "run", "--no-usage-report", "--quiet", "script.js"]

    return command


@cache
def _module(program: str) -> str:
    """Return what this k6 calls the newer of its modules: it was an experiment until after 1.1."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "probe.js")
        script.write_text("import { WebSocket } from 'k6/websockets';\nexport default function () {}\n")
        found = subprocess.run([program, "inspect", str(script)], capture_output=True, check=False).returncode == 0
    return "k6/websockets" if found else "k6/experimental/websockets"


def _k6_report(folder: Path, console: str) -> Report:
    file = folder / "report.json"
    if not file.exists():
        return Report(said="no summary")
    metrics: dict[str, Any] = json.loads(file.read_text())
    trips = metrics.get("trips", {}).get("values", {})
    latency = {"p50": trips.get("p(50)"), "p95": trips.get("p(95)"), "p99": trips.get("p(99)"), "max": trips.get("max")}
    said = [
        f"{metrics[name]['values']['count']} {word}"
        for name, word in (
            ("ws_msgs_sent", "sent"),
            ("ws_msgs_received", "received"),
            ("errors_seen", "errors seen by the script"),
        )
        if name in metrics
    ]
    level = re.findall(r'level=(error|warning) msg="([^"]{0,60})', console)
    return Report(latency, ", ".join(said) + (f"; {len(level)} lines such as “{level[0][1]}”" if level else ""))


def _version(program: str) -> str:
    return f"{says('version')(program)} ({_module(program)})"


TOOLS = (
    Tool("k6/ws", on_path("k6"), says("version"), _k6(_K6_WS), _k6_report),
    Tool("k6/websockets", on_path("k6"), _version, _k6(_K6_NEW), _k6_report),
)
