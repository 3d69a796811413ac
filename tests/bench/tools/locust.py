"""Locust with websocket-client, the way its users do it: one greenlet a client, requests fired by hand."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.bench.tools.order import Order, Report, Tool, on_path, says

_LOCUST = """
import json, random, time
import gevent
from locust import User, constant, constant_pacing, events, task
from locust.exception import StopUser
from websocket import create_connection

class Client(User):
    wait_time = {wait}

    def on_start(self):
        self.ws = create_connection("{order.url}", timeout=4)
        self.seq = 0
        if {order.talks}:
            self.ws.send('{{"type":"auth","token":"t"}}')
            if json.loads(self.ws.recv())["type"] != "auth":
                raise StopUser()
        gevent.sleep(random.random() * {order.every_s:g})

    def on_stop(self):
        self.ws.close()

    @task
    def round_trip(self):
        began, error, size = time.perf_counter(), None, 0
        try:
            self.seq += 1
            said = {{"type": "ping", "timestamp": int(time.time() * 1000)}}
            if {order.talks}:
                said = {{"type": "say", "seq": self.seq}}
            self.ws.send(json.dumps(said))
            text = self.ws.recv()
            size, answer = len(text), json.loads(text)
            if {order.talks} and answer["seq"] != self.seq:
                raise ValueError("the answer to another message")
        except Exception as raised:
            error = raised
        events.request.fire(request_type="WS", name="trips", response_length=size, exception=error,
            response_time=(time.perf_counter() - began) * 1000)
        if error is not None:
            raise StopUser()
"""


def _locust(program: str, order: Order) -> list[str]:
    wait = f"constant_pacing({order.every_s:g})" if order.every_s else "constant(0)"
    (order.folder / "locustfile.py").write_text(_LOCUST.format(order=order, wait=wait))
    rate = order.clients / order.ramp_s
    seconds = order.seconds + order.ramp_s
    return [
        program, "-f", "locustfile.py", "--headless", "-u", str(order.clients), "-r", f"{rate:g}",
        "--run-time", f"{seconds:g}s", "--csv", "report", "--only-summary", "--stop-timeout", "2",
    ]  # fmt: skip


def _locust_report(folder: Path, console: str) -> Report:
    with (folder / "report_stats.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    if not rows:
        return Report(said="no figures")
    row = rows[0]
    latency = {
        name: float(row[column]) if row[column] not in ("", "N/A") else None
        for name, column in (("p50", "50%"), ("p95", "95%"), ("p99", "99%"), ("max", "Max Response Time"))
    }
    return Report(latency, f"{row['Request Count']} requests, {row['Failure Count']} failures")


TOOL = Tool("Locust + websocket-client", on_path("locust"), says("--version"), _locust, _locust_report)
