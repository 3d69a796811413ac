"""Tsung: an Erlang program that reads XML and reports means, never percentiles."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bench.tools.order import Order, Report, Tool, on_path, says

_TSUNG = """<?xml version="1.0"?>
<!DOCTYPE tsung SYSTEM "{dtd}" []>
<tsung loglevel="warning" version="1.0">
  <clients><client host="localhost" use_controller_vm="true" maxusers="15000"/></clients>
  <servers><server host="127.0.0.1" port="{port}" type="tcp"/></servers>
  <load duration="{duration}" unit="second">
    <arrivalphase phase="1" duration="{duration}" unit="second">
      <users maxnumber="{order.clients}" arrivalrate="{rate}" unit="second"/>
    </arrivalphase>
  </load>
  <sessions>
    <session name="load" probability="100" type="ts_websocket">
      <request><websocket type="connect" path="/ws"/></request>
      {login}
      {offset}
      <for from="1" to="{times}" var="i">
        <setdynvars sourcetype="eval" code="{now}"><var name="stamp"/></setdynvars>
        <transaction name="trips">
          <request subst="true">
            {match}<websocket type="message" frame="text">{said}</websocket>
          </request>
        </transaction>
        {pause}
      </for>
    </session>
  </sessions>
</tsung>
"""
_LOGIN = """<request>
        <match do="abort" when="nomatch">auth</match>
        <websocket type="message" frame="text">{"type":"auth","token":"t"}</websocket>
      </request>"""
_TSUNG_DTD = ("/usr/share/tsung/tsung-1.0.dtd", "/usr/local/share/tsung/tsung-1.0.dtd")


def _tsung(program: str, order: Order) -> list[str]:
    dtd = next((path for path in _TSUNG_DTD if Path(path).exists()), _TSUNG_DTD[0])
    text = _TSUNG.format(
        order=order,
        dtd=dtd,
        port=re.findall(r":(\d+)/", order.url)[0],
        duration=round(order.seconds + order.ramp_s),
        rate=max(1, round(order.clients / order.ramp_s)),
        times=round(order.seconds / order.every_s) if order.every_s else 100_000_000,
        offset=f'<thinktime value="{order.every_s / 2:g}" random="true"/>' if order.every_s else "",
        pause=f'<thinktime value="{order.every_s:g}"/>' if order.every_s else "",
        login=_LOGIN if order.talks else "",
        match='<match do="log" when="nomatch">"seq":%%_i%%}</match>' if order.talks else "",
        said='{"type":"say","seq":%%_i%%}' if order.talks else '{"type":"ping","timestamp":%%_stamp%%}',
        now="fun(_) -&gt; integer_to_list(erlang:system_time(millisecond)) end.",
    )
    (order.folder / "load.xml").write_text(text)
    return [program, "-f", "load.xml", "-l", str(order.folder / "log"), "-X", str(order.folder), "start"]


def _tsung_report(folder: Path, console: str) -> Report:
    logs = sorted(folder.glob("log/*/tsung.log"))
    if not logs:
        return Report(said=f"no log; it said {console.strip()[-120:]}")
    text = logs[-1].read_text()
    # Each ten seconds: stats: tr_trips COUNT MEAN STDDEV MAX MIN …
    rows = re.findall(r"stats: tr_trips (\d+) (\S+) \S+ (\S+) ", text)
    count = sum(int(row[0]) for row in rows)
    errors = re.findall(r"stats: (error_\S+) \d+ (\d+)", text)
    told = ", ".join(f"{count} × {name}" for name, count in dict(errors).items())
    if not count:
        return Report(said=f"no figures; {told or 'no errors'}")
    mean = sum(int(row[0]) * float(row[1]) for row in rows) / count
    latency = {"mean": mean, "max": max(float(row[2]) for row in rows)}
    return Report(latency, f"{count} round trips; {told or 'no errors'}")


TOOL = Tool("Tsung", on_path("tsung"), says("-v"), _tsung, _tsung_report)
