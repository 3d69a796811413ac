"""`wstui demo --headless`: brings its own target, measures it, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.cli.commands import WAIT_S, call, descendants, gone, invoke, start
from tests.leaked_tokens import holds_token
from tests.waiting import wait_until

SHORT = ("--clients", "20", "--ramp", "500ms", "--every", "200ms", "--no-store")
EASY = ("--allow-limited", "--threshold", "response.mean < 30s", "--threshold", "response.p99 < 30s")
"""How fast this machine is today is not what is tested."""
PROGRAMS = ("nats-server", "wstui.load", "server()", "publisher()")


def everything_runs(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait until the demo's processes are all there; returns them."""

    def there() -> bool:
        lines = []
        for child in descendants(process.pid):
            try:
                lines.append(" ".join(child.cmdline()))
            except psutil.Error:
                continue
        return all(any(name in line for line in lines) for name in PROGRAMS)

    wait_until(there, "the demo has started everything")
    return descendants(process.pid)


def test_the_demo_measures_its_own_target(tmp_path: Path) -> None:
    report = tmp_path / "result.json"
    status, out, err = call("demo", "--headless", *SHORT, *EASY, "--hold", "2s", "--json", str(report))
    assert status == 0, out + err
    result = json.loads(report.read_text())
    assert result["schema"] == "wstui.result/1"
    assert result["connections"]["ready"] == result["connections"]["attempted"] == 20
    assert result["messages"]["by_type"]["pong"] == result["messages"]["sent"] > 100
    assert result["latency_ms"]["response"]["min"] <= result["latency_ms"]["response"]["mean"]
    assert "✓ PASSED" in out or "▲ LIMITED" in out, "how busy this machine is today is not what is tested"
    assert "ready at ws://127.0.0.1:" in err


def test_a_mix_of_tokens_is_signed_with_a_secret_that_no_process_shows(tmp_path: Path) -> None:
    report = tmp_path / "result.json"
    options = ("--clients", "20", "--ramp", "500ms", "--hold", "4s", "--no-store", "--json", str(report))
    process = start("demo", "auth", "--headless", *options, *EASY, environ={"JWT_SECRET": ""})
    children = everything_runs(process)
    servers = [child for child in children if "server()" in " ".join(child.cmdline())]
    secrets = {found for child in servers if len(found := child.environ().get("JWT_SECRET", "")) > 20}
    shown = [" ".join(child.cmdline()) for child in [*children, psutil.Process(process.pid)]]
    others = [child for child in [*children, psutil.Process(process.pid)] if child not in servers]
    shown += [text for child in others for text in child.environ().values()]
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, out + err
    result = json.loads(report.read_text())
    assert [(row["kind"], row["attempted"], row["correct"]) for row in result["auth"]] == [
        ("good", 12, 12),
        ("expired", 2, 2),
        ("forged", 2, 2),
        ("missing", 2, 2),
        ("wrong_algorithm", 2, 2),
    ]
    (secret,) = secrets
    for text in (*shown, out, err, report.read_text()):
        assert secret not in text and not holds_token(text)


def test_presets_that_want_the_target_started_differently_are_no_suite(tmp_path: Path) -> None:
    stage = '[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n[demo]\n'
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(stage + 'server = ["--connect-rate", "5"]\n')
    other.write_text(stage + 'server = ["--connect-rate", "6"]\n')
    status, _, err = invoke("demo", "--headless", str(one), str(other))
    assert (status, "one by one" in err, "Traceback" in err) == (2, True, False)
    other.write_text(stage + 'server = ["--nonsense"]\n')
    status, _, err = invoke("demo", "--headless", str(other))
    assert (status, "--nonsense" in err, "Traceback" in err) == (2, True, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_keeps_what_was_measured_and_tells_no_secret(tmp_path: Path, number: signal.Signals) -> None:
    report = tmp_path / "result.json"
    process = start("demo", "--headless", *SHORT, "--hold", "60s", "--progress-every", "0.5", "--json", str(report))
    children = everything_runs(process)
    lines = [" ".join(child.cmdline()) for child in children]
    assert process.stdout is not None
    assert process.stdout.readline()  # a live line: the run is on its way
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, err
    assert "DRAINED" in out
    result = json.loads(report.read_text())
    assert result["verdict"]["aborted"]
    assert result["messages"]["sent"] > 0
    assert gone(children)
    for text in (*lines, out, err, report.read_text()):
        assert not holds_token(text)
        assert "token=" not in text or "token=***" in text


def test_nothing_is_left_when_the_demo_is_killed() -> None:
    process = start("demo", "--headless", *SHORT, "--hold", "60s", "--progress-every", "0.5")
    children = everything_runs(process)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.kill()
    process.wait()
    wait_until(lambda: gone(children), "every process of the demo is gone")
    process.communicate()
