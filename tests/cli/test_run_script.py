"""`wstui run chat.py` and what looks at scripts: looking runs nothing, a mistake ends the run with its figures."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.commands import invoke
from tests.conversations.chat import Chat
from wstui.cli.options import RunOptions
from wstui.cli.prepare import prepare
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import load
from wstui.scenario.presets import available

ROLE = """
@wstui.role
async def member(client):
    client.ready()
    async for number in client.rounds():
        async with client.step("say"):
            await client.send_json({"type": "say", "seq": client.sequence, "from": client.number})
            await client.expect(type="said", seq=client.sequence)
        %s
"""


def written(folder: Path, url: str, line: str = "pass", ran: str = "") -> Path:
    """A script that leaves a file when it is run."""
    tables = {
        "target": {"url": url, "settle": "50ms", "health": "off"},
        "stages": [{"name": "all", "over": "1s", "clients": 4}, {"name": "hold", "over": "1s"}],
        "messages": {"every": "50ms"},
        "fleet": {"workers": 2},
    }
    path = folder / "chat.py"
    touch = f"open({str(folder / 'ran')!r}, 'w').close()"
    path.write_text(f"import asyncio, time, wstui\n{touch}\nscenario = {tables!r}\n{ROLE % line}")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "presets").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("allowed", [True, False])
def test_a_script_of_a_preset_or_a_suite_is_asked_for_unless_the_flag_allows_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    written(folder, "ws://127.0.0.1:9/ws")
    preset = 'target.url = "ws://127.0.0.1:9/ws"\nload = { clients = 1, ramp = "1s", hold = "5s" }\n'
    (folder / "one.toml").write_text(preset + '[[roles]]\nname = "member"\nscript = "chat.py"\n')
    (folder / "night.toml").write_text('name = "night"\nsuite = ["one"]\n')
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr("wstui.cli.prepare.sys", SimpleNamespace(stdin=terminal, stderr=terminal))
    asked: list[str] = []
    monkeypatch.setattr("wstui.cli.prepare.click.confirm", lambda text, **_: not asked.append(text))  # type: ignore[func-returns-value]
    run = prepare(("night.toml",), RunOptions(allow_scripts=allowed), may_ask=True)
    assert [scenario.name for scenario in run.scenarios] == ["one"]
    assert len(asked) == (not allowed) and not (folder / "ran").exists()


async def test_a_script_runs_on_two_workers_and_says_that_it_is_a_program(folder: Path) -> None:
    async with Chat() as server:
        written(folder, server.url)
        status, out, err = await asyncio.to_thread(
            invoke, "run", "chat.py", "--json", "r.json", "--no-store", "--allow-limited"
        )
        assert status == 0, out + err
        assert "chat.py is a Python program" in err
        steps = json.loads((folder / "r.json").read_text())["steps"]
        assert [step["name"] for step in steps] == ["say"] and steps[0]["done"] == server.kinds()["say"] > 40


async def test_looking_at_a_script_runs_nothing(folder: Path) -> None:
    async with Chat() as server:
        written(folder / "presets", server.url)
        (entry,) = [entry for entry in available({}) if entry.name == "chat"]
        assert "--allow-scripts" in entry.problem
        for command in (["presets", "list"], ["presets", "show", "chat"], ["presets", "validate", "chat"]):
            await asyncio.to_thread(invoke, *command)
        status, out, err = await asyncio.to_thread(invoke, "run", "chat", "--no-store")
        assert status == 2 and "--allow-scripts" in err
        status, out, _ = await asyncio.to_thread(invoke, "check", "presets/chat.py")
        assert status == 0 and "not tried" in out and "--allow-scripts" in out
        assert not (folder / "presets" / "ran").exists() and not server.log
        status, out, _ = await asyncio.to_thread(invoke, "check", "chat", "--allow-scripts")
        assert status == 0 and "one client of each: open, and a round" in out
        assert server.kinds()["say"] >= 1


MISTAKES = {
    "raises": ("client.number == 3 and number > 4 and {}['x']", "KeyError: 'x'"),
    "sleeps": ("await asyncio.sleep(1)", "awaits asyncio.sleep"),
    "blocks": ("time.sleep(60)", "blocks its worker"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_ends_the_run_with_its_line_and_what_was_measured(folder: Path, mistake: str) -> None:
    line, told = MISTAKES[mistake]
    async with Chat() as server:
        written(folder, server.url, line)
        status, out, err = await asyncio.to_thread(invoke, "run", "chat.py", "--json", "r.json", "--no-store")
        assert status == 2, out + err
        verdict = json.loads((folder / "r.json").read_text())["verdict"]
        assert "chat.py, line 12, in member" in verdict["reason"] and told in verdict["reason"]
        assert verdict["script_failed"] and not verdict["passed"]
        assert server.kinds()["say"] > 0


BROKEN = {
    "async def member(client): pass": "has no role",
    "@wstui.role\ndef member(client): pass": "line 4: member must be an `async def`",
    "@wstui.role(weight=len('a'))\nasync def member(client): pass": "line 3: weight of @wstui.role is read without",
    "@wstui.role(wait=1)\nasync def member(client): pass": "wait",
    "@wstui.role\nasync def member(client, more): pass": "line 4: member takes one argument, the client",
    "@wstui.role\nasync def member(client) pass": "is not valid Python",
    "@wstui.role(clients=0)\nasync def member(client): pass": "no client has this role",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_script_is_refused_before_it_runs(folder: Path, text: str) -> None:
    tables = {"target": {"url": "ws://127.0.0.1:9"}, "stages": [{"name": "a", "over": "1s", "clients": 1}]}
    (folder / "chat.py").write_text(f"import wstui\nscenario = {tables!r}\n{text}")
    with pytest.raises(ScenarioError) as caught:
        load("chat.py", {})
    assert BROKEN[text] in str(caught.value)
