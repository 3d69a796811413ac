"""Do the figures that `wstui run` reports agree with what really happened?"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench.output import headline, markdown
from tests.bench.truth import enveloped, planned, quantiles
from wstui.execution.calibrate.bench import Cores
from wstui.execution.calibrate.sink.message_log import SinkLog
from wstui.execution.calibrate.sink.sink_process import SinkProcess

CLIENTS, EVERY_S, RAMP_S, HOLD_S = 1000, 1.0, 2.0, 14.0
TOLERANCE_MS, TOLERANCE = 1.0, 0.05

_PRESET = """
name = "accuracy"
[target]
url = "{url}"
ready = "open"
settle = "0s"
health = "off"
[[stages]]
name = "ramp"
over = "{ramp}s"
clients = {clients}
[[stages]]
name = "hold"
over = "{hold}s"
[messages]
exchange = "echo"
every = "{every}s"
[fleet]
workers = 1
"""


@dataclass(frozen=True)
class SinkCase:
    """What the sink does to its clients."""

    name: str
    options: tuple[str, ...]


CASES = (
    SinkCase("every reply after 5 ms", ("--delay", "0.005")),
    SinkCase("one stall of 2 s", ("--stall", "2", "--stall-at", "8")),
    SinkCase("neither", ()),
)


async def run_ours(url: str, folder: Path, *, clients: int, hold_s: float, every_s: float = EVERY_S) -> dict[str, Any]:
    """`wstui run` as a user runs it; returns its JSON result and the exit status under "status"."""
    preset, result = folder / "accuracy.toml", folder / "result.json"
    preset.write_text(_PRESET.format(url=url, clients=clients, ramp=RAMP_S, hold=hold_s, every=every_s))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wstui", "run", str(preset), "--json", str(result), "--quiet", "--no-store", "--no-probe",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    text, _ = await process.communicate()
    found: dict[str, Any] = json.loads(result.read_text())
    found["status"], found["console"] = process.returncode, text.decode()
    return found


def agrees(truth: float, reported: float) -> bool:
    """Whether a figure in ms is near enough to the truth."""
    return abs(reported - truth) <= max(TOLERANCE_MS, TOLERANCE * truth)


async def measure(cases: tuple[SinkCase, ...] = CASES) -> bool:
    """Run every case and print truth and report side by side. Returns whether all agree."""
    rows = [["case", "figure", "truth, ms", "by arrivals alone", "wstui says", "difference", ""]]
    notes = []
    good = True
    for case in cases:
        print(f"{case.name} (load {psutil.getloadavg()[0]:.1f})", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "log")
            async with SinkProcess(
                "--mode", "echo", "--record", "--log", str(file), *case.options, core=Cores.apart().target
            ) as sink:
                result = await run_ours(sink.url, Path(folder), clients=CLIENTS, hold_s=HOLD_S)
            log = SinkLog.decode(file.read_bytes())
        every_ns = round(EVERY_S * 1e9)
        times = planned(log, every_ns)
        truth, arrivals = quantiles(times), quantiles(enveloped(log, every_ns))
        reported = result["latency_ms"]["response"]
        for figure, true in truth.items():
            assert true is not None
            same = agrees(true, reported[figure])
            good = good and same
            rows.append(
                [
                    case.name,
                    figure,
                    f"{true:.3f}",
                    f"{arrivals[figure]:.3f}",
                    f"{reported[figure]:.3f}",
                    f"{reported[figure] - true:+.3f}",
                    "✓" if same else "✗",
                ]
            )
        sent, counted = result["messages"]["sent"], len(log.key)
        good = good and sent == counted and reported["count"] == len(times)
        limited = ", ".join(result["generator"]["limited_by"]) or "no"
        notes.append(
            f"{case.name}: {sent} messages sent, {counted} at the sink, {reported['count']} response times; "
            f"exit status {result['status']}, generator the limit: {limited}"
        )
    print(headline() + "\n")
    print(
        f"{CLIENTS} clients, one message every {EVERY_S:g} s each, {RAMP_S + HOLD_S:g} s. "
        f"Good: within {TOLERANCE_MS:g} ms or {TOLERANCE:.0%}, whichever is more.\n"
    )
    print(markdown(rows) + "\n")
    print("\n".join(notes))
    return good
