"""Looking at a stranger's preset runs nothing and sends nothing of this machine away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.cli.commands import WAIT_S, call
from tests.servers.server import Server
from tests.terminal import start_on_pty
from wstui.cli import wstui
from wstui.cli.kept_suite import demo_scenario
from wstui.execution.run.run import Run
from wstui.fleet.hosts.host_probe import hosts_of
from wstui.fleet.hosts.remote_command import remote_commands
from wstui.fleet.transport import FleetError
from wstui.scenario.file import load, loads
from wstui.scenario.model import DEMO_OPTIONS, Scenario
from wstui.scenario.overrides import Overrides
from wstui.scenario.presets import available, open_preset
from wstui.scenario.trust import uses

STAGE = '[target]\nready = "open"\nhealth = "off"\n[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n'
ROLE = '[[roles]]\nname = "a"\n[[roles.loop]]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cloned = tmp_path / "cloned"
    (cloned / "presets").mkdir(parents=True)
    monkeypatch.chdir(cloned)
    (tmp_path / "private.txt").write_text("my secret notes")
    evil = f'Host *\n  ProxyCommand touch {tmp_path}/ran; false\nMatch exec "touch {tmp_path}/ran"\n'
    (cloned / "ssh_evil").write_text(evil)
    (cloned / "presets" / "ssh_evil").write_text(evil)
    hosts = STAGE + '[fleet]\nhosts = ["host1"]\nssh_config = "ssh_evil"\n'
    (cloned / "p.toml").write_text(hosts)
    (cloned / "presets" / "quick.toml").write_text(hosts)
    return cloned


def said(*arguments: str) -> tuple[int, str]:
    ended = CliRunner().invoke(wstui, list(arguments))
    return ended.exit_code, ended.output


@pytest.mark.parametrize("command", [("check", "p.toml"), ("run", "p.toml"), ("check", "quick"), ("run", "quick")])
def test_an_ssh_configuration_beside_a_preset_is_not_used(folder: Path, command: tuple[str, ...]) -> None:
    status, out = said(*command)
    assert status == 2 and "fleet.ssh_config" in out and "--ssh-config" in out
    assert not (folder.parent / "ran").exists()


def config_of(preset: Scenario) -> str:
    """The ssh configuration that hosts would be reached with."""
    (remote,) = asyncio.run(remote_commands(preset, hosts_of(preset)))
    return remote.config


def test_the_same_file_is_used_when_a_person_names_it(folder: Path) -> None:
    preset = load(folder / "p.toml")
    assert isinstance(preset, Scenario)
    with pytest.raises(FleetError, match="may run commands of its own"):
        config_of(preset)
    named = open_preset("p.toml", {}, Overrides(ssh_config="ssh_evil"))
    assert isinstance(named, Scenario) and config_of(named) == "ssh_evil"
    own = folder.parent / "config" / "wstui"
    own.mkdir(parents=True)
    (own / "ssh").write_text("Host *\n")
    mine = preset.model_copy(update={"fleet": preset.fleet.model_copy(update={"ssh_config": str(own / "ssh")})})
    assert config_of(mine) == str(own / "ssh")


def test_a_command_that_a_preset_names_as_a_host_is_only_run_when_a_person_names_it(folder: Path) -> None:
    (folder / "p.toml").write_text('[fleet]\nhosts = ["exec:touch ../ran"]\n' + STAGE)
    for command in ("check", "run"):
        status, out = said(command, "p.toml")
        assert status == 2 and "runs a command on this machine" in out and "--hosts" in out
    assert not (folder.parent / "ran").exists()
    named = open_preset("p.toml", {}, Overrides(hosts=["exec:true"]))
    assert isinstance(named, Scenario)
    (remote,) = asyncio.run(remote_commands(named, hosts_of(named)))
    assert remote.command("probe") == ["true", "wstui", "_host", "probe"]


def test_a_preset_that_hides_a_shipped_one_is_named_and_never_used_by_the_demo(folder: Path) -> None:
    (folder / "presets" / "quick.toml").write_text(STAGE)
    _, out = said("check", "quick", "--url", "ws://127.0.0.1:9/ws")
    assert 'presets/quick.toml is used in the place of the preset "quick"' in out
    (folder / "presets" / "quick.toml").write_text('name = "taken"\n' + STAGE)
    assert demo_scenario("ws://127.0.0.1:1/ws", "x.y.z").name == "quick"
    taken = open_preset("quick", {"WS_URL": "ws://127.0.0.1:1/ws"}, shipped=True)
    assert taken.name == "quick" and taken.origin.file != str(folder / "presets" / "quick.toml")


@pytest.mark.parametrize("way", ["absolute", "parent", "link", "feed"])
def test_files_from_outside_the_preset_s_folder_need_a_flag(folder: Path, way: str) -> None:
    private = folder.parent / "private.txt"
    (folder / "link.txt").symlink_to(private)
    (folder.parent / "feed.csv").write_text("user\nann\n")
    name = {"absolute": str(private), "parent": "../private.txt", "link": "link.txt", "feed": "inside.txt"}[way]
    (folder / "inside.txt").write_text("{{feed.user}}" if way == "feed" else "hello")
    feed = '[messages]\nfeed = "../feed.csv"\n' if way == "feed" else ""
    (folder / "sends.toml").write_text(STAGE + feed + ROLE + f'file = "{name}"\n')
    status, out = said("run", "sends.toml", "--url", "ws://127.0.0.1:9/ws")
    assert status == 2 and "outside the preset's folder" in out and "--allow-files" in out
    status, out = said("run", "sends.toml", "--url", "ws://127.0.0.1:9/ws", "--allow-files", "--no-store")
    assert status == 3 and "outside the preset's folder" not in out
    status, out = said("presets", "validate", "sends.toml")
    assert status == 0 and "sends to its target: the file" in out and "--allow-files" in out
    (folder / "presets" / "sends.toml").write_bytes((folder / "sends.toml").read_bytes())
    if way == "absolute":
        entry = next(entry for entry in available({}) if entry.name == "sends")
        assert entry.broken and "--allow-files" in entry.problem


def test_files_beside_a_preset_and_variables_are_listed_by_check_and_validate(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "hello.json").write_text('{"k": "{{env AWS_SECRET_ACCESS_KEY:-x}}"}')
    (folder / "s.toml").write_text(
        STAGE.replace("[target]\n", '[target]\nheaders.X-A = "${HOME}"\n') + ROLE + 'file = "hello.json"\n'
    )
    listed = "sends to its target: the file hello.json, the variables AWS_SECRET_ACCESS_KEY, HOME"
    status, out = said("presets", "validate", "s.toml")
    assert status == 0 and listed in out
    _, out = said("check", "s.toml", "--url", "ws://127.0.0.1:9/ws")
    assert listed in out
    monkeypatch.setenv("PW", "x1y2z3")
    _, out = said("check", "s.toml", "--url", "ws://me:${PW}@127.0.0.1:9/ws")
    assert f"{listed}\n" in out, "what the command line says is not the preset's doing"


def at_a_terminal(folder: Path, *arguments: str, says: str) -> tuple[int, str]:
    """Exit status and what a terminal shows of a command whose questions are answered with `says`."""
    command = [sys.executable, "-m", "wstui", *arguments]
    process, master = start_on_pty(command, stdout=subprocess.DEVNULL, cwd=folder)
    os.write(master, f"{says}\n".encode())
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while part := os.read(master, 4096):
            seen += part
    os.close(master)
    return process.wait(WAIT_S), seen.decode()


def test_a_person_is_asked_once_for_each_file_and_content(folder: Path) -> None:
    ran, run = folder.parent / "ran", ("run", "p.toml", "--no-store", "--no-probe", "--url", "ws://127.0.0.1:9/ws")
    question = "p.toml names its own ssh configuration, which can run programs: use it? [y/N]"
    status, seen = at_a_terminal(folder, *run, says="")
    assert status == 2 and question in seen and "--ssh-config" in seen and not ran.exists()
    status, seen = at_a_terminal(folder, *run, says="y")
    assert question in seen and ran.exists()
    kept = folder.parent / "config" / "wstui" / "allowed_ssh.json"
    assert kept.stat().st_mode & 0o777 == 0o600 and str(folder / "ssh_evil") in kept.read_text()
    ran.unlink()
    status, seen = at_a_terminal(folder, *run, says="n")
    assert question not in seen and ran.exists()
    ran.unlink()
    with (folder / "ssh_evil").open("a") as file:
        file.write("# changed\n")
    status, seen = at_a_terminal(folder, *run, says="n")
    assert status == 2 and question in seen and not ran.exists()
    (folder / "ssh_evil").write_text(f"Include other\nHost *\n  ProxyCommand touch {ran}; false\n")
    for _ in range(2):  # what it includes may be another thing the next time
        status, seen = at_a_terminal(folder, *run, says="y")
        assert question in seen and ran.exists()


@pytest.mark.parametrize("command", [("check", "p.toml"), ("presets", "validate", "p.toml")], ids=" ".join)
def test_looking_asks_nothing_and_runs_nothing(folder: Path, command: tuple[str, ...]) -> None:
    _, seen = at_a_terminal(folder, *command, says="y")
    assert "use it?" not in seen and not (folder.parent / "ran").exists()


def test_certificates_from_elsewhere_are_listed_as_read(folder: Path) -> None:
    (folder.parent / "ca.pem").write_text("")
    (folder / "s.toml").write_text(STAGE.replace("[target]\n", '[target]\nca_file = "../ca.pem"\n'))
    preset = load("s.toml", complete=False)
    assert isinstance(preset, Scenario) and uses(preset) == ["reads, and doesn't send: ../ca.pem"]


@pytest.mark.parametrize("host", ["-oProxyCommand=touch ran", "-oX@host", "host -oX", "a@-oX", "$(touch ran)"])
def test_a_host_cannot_be_an_option_of_ssh(folder: Path, host: str) -> None:
    (folder / "p.toml").write_text(STAGE + f"[fleet]\nhosts = ['{host}']\n")
    status, out = said("check", "p.toml")
    assert status == 2 and "is not a host" in out


def test_a_whole_process_says_so_as_well(folder: Path) -> None:
    status, _, err = call("check", "p.toml", cwd=folder)
    assert status == 2 and "may run commands of its own" in err and not (folder.parent / "ran").exists()


def test_an_empty_token_file_is_refused(folder: Path) -> None:
    for content in ("", "\n", "\ufeff\n"):
        (folder / "token").write_text(content)
        status, out = said("run", "p.toml", "--token-file", "token")
        assert status == 2 and "--token-file token is empty" in out


@pytest.mark.parametrize("auth", ["", 'token = "${AUTH_TOKEN}"\n'])
def test_a_bad_token_in_a_file_is_blamed_on_the_flag_that_named_the_file(folder: Path, auth: str) -> None:
    (folder / "p.toml").write_text(STAGE + '[auth]\nkind = "token"\nsend_as = "header"\n' + auth)
    (folder / "token").write_text("to\x01ken")
    status, out = said("run", "p.toml", "--token-file", "token")
    assert status == 2 and "--token-file: has a line break or another control character" in out


REFERENCES = {
    '"${AUTH_TOKEN:-}"': 3,
    '"${OTHER:-}"': 3,
    '"${AUTH_TOKEN}"': 2,
    '"${OTHER}"': 2,
    '"x${OTHER:-}"': 3,
    '""': 2,
    "": 2,
}


@pytest.mark.parametrize("written", REFERENCES)
@pytest.mark.parametrize("value", ["", " \n", "\ufeff"])
def test_an_empty_token_is_refused_unless_the_preset_says_that_it_may_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: str, value: str
) -> None:
    monkeypatch.setenv("AUTH_TOKEN", value)
    monkeypatch.setenv("OTHER", value)
    line = f"token = {written}\n" if written else ""
    (folder / "t.toml").write_text(f'[auth]\nkind = "token"\n{line}' + STAGE)
    for command in (("run", "--no-store"), ("check",)):
        status, out = said(*command, "t.toml", "--url", "ws://127.0.0.1:9/ws")
        if REFERENCES[written] == 2:
            name = "OTHER" if "OTHER" in written else "AUTH_TOKEN"
            assert status == 2 and f"auth.token: is empty: set {name}" in out and "${" + name + ":-}" in out
        else:
            assert status == (3 if command[0] == "run" else 1)
            bare = not written.startswith('"x')
            assert ("is empty: clients bring none" in out) == bare


def test_a_token_from_elsewhere_is_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "t.toml").write_text('[auth]\nkind = "token"\n' + STAGE)
    monkeypatch.setenv("AUTH_TOKEN", "a.b.c")
    status, out = said("run", "t.toml", "--url", "ws://127.0.0.1:9/ws", "--no-store")
    assert status == 3 and "auth.token" not in out
    monkeypatch.delenv("AUTH_TOKEN")
    (folder / "token").write_text("a.b.c\n")
    status, out = said("run", "t.toml", "--url", "ws://127.0.0.1:9/ws", "--no-store", "--token-file", "token")
    assert status == 3 and "auth.token" not in out


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_preset_auth_says_what_it_needs(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.delenv("JWT_SECRET", raising=False)
    status, out = said(command, "auth")
    needed = "JWT_SECRET is not set: the clients' tokens can't be signed; set it, or run `wstui demo auth`"
    assert status == 2 and needed in out
    (folder / "t.toml").write_text('[auth]\nkind = "jwt"\nsecret = "${MINE:-}"\n' + STAGE)
    status, out = said(command, "t.toml")
    assert status == 2 and "MINE is not set: the clients' tokens can't be signed; set it" in out and "demo" not in out


async def test_the_result_says_that_clients_brought_no_token() -> None:
    scenario = loads('[auth]\nkind = "token"\ntoken = "${NO_SUCH_VARIABLE:-}"\n' + STAGE)
    assert isinstance(scenario, Scenario)
    async with Server() as server:
        target = scenario.target.model_copy(update={"url": server.url})
        result = await Run(scenario.model_copy(update={"target": target})).execute()
    assert "auth.token is empty: clients bring none" in [event.text for event in result.events]


@pytest.mark.parametrize(
    "option",
    [
        "--host",
        "--port",
        "--nats-url",
        "--secret-file",
        "--public-key=/etc/passwd",
        "--log-level",
        "-h",
        "--",
        "--auths",
    ],
)
def test_a_preset_may_not_lead_its_demo_to_files_or_machines(folder: Path, option: str) -> None:
    for command in ("server", "publisher"):
        (folder / "d.toml").write_text(STAGE + f'[demo]\n{command} = ["{option}", "/etc/passwd"]\n')
        status, out = said("demo", "./d.toml", "--headless")
        assert status == 2 and f"demo.{command}" in out and f'has "{option.partition("=")[0]}"' in out
        status, out = said("presets", "validate", "d.toml")
        assert status == 2 and f"demo.{command}" in out


@pytest.mark.parametrize("command", ["server", "publisher"])
def test_what_a_preset_may_tell_its_demo_is_there(command: str) -> None:
    found = wstui.get_command(click.Context(wstui), command)
    assert found is not None
    assert set(DEMO_OPTIONS[command]) <= {option for parameter in found.params for option in parameter.opts}


def test_a_short_secret_does_not_listen_beyond_this_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "x" * 15)
    status, out = said("server", "--host", "0.0.0.0", "--port", "0")
    assert status == 2 and "15 bytes is soon guessed" in " ".join(out.split())
