"""Looking at a stranger's preset runs nothing and sends nothing of this machine away."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.commands import call
from wstui.cli import wstui
from wstui.cli.launching import _demo_suite
from wstui.fleet.looking import Way
from wstui.fleet.transport import FleetError
from wstui.scenario.file import load
from wstui.scenario.model import Scenario
from wstui.scenario.presets import available, open_preset

STAGE = '[target]\nready = "open"\nhealth = "off"\n[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n'
TEMPLATE = '[messages]\nexchange = "template"\n[[messages.templates]]\nname = "a"\nreply = "none"\n'


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
    hosts = STAGE + '[fleet]\nhosts = ["box1"]\nssh_config = "ssh_evil"\n'
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


def test_the_same_file_is_used_where_a_person_names_it(folder: Path) -> None:
    preset = load(folder / "p.toml")
    assert isinstance(preset, Scenario)
    with pytest.raises(FleetError, match="may run commands of its own"):
        Way.of(preset)
    named = open_preset("p.toml", {}, {"ssh_config": "ssh_evil"})
    assert isinstance(named, Scenario) and Way.of(named).config == "ssh_evil"
    own = folder.parent / "config" / "wstui"
    own.mkdir(parents=True)
    (own / "ssh").write_text("Host *\n")
    mine = preset.model_copy(update={"fleet": preset.fleet.model_copy(update={"ssh_config": str(own / "ssh")})})
    assert Way.of(mine).config == str(own / "ssh")


def test_a_preset_that_hides_a_shipped_one_is_named_and_never_used_by_the_demo(folder: Path) -> None:
    (folder / "presets" / "quick.toml").write_text(STAGE)
    _, out = said("check", "quick", "--url", "ws://127.0.0.1:9/ws")
    assert 'presets/quick.toml is used in the place of the preset "quick"' in out
    (folder / "presets" / "quick.toml").write_text('name = "taken"\n' + STAGE)
    assert _demo_suite("ws://127.0.0.1:1/ws", "x.y.z").name == "quick"
    taken = open_preset("quick", {"WS_URL": "ws://127.0.0.1:1/ws"}, shipped=True)
    assert taken.name == "quick" and taken.origin.file != str(folder / "presets" / "quick.toml")


@pytest.mark.parametrize("way", ["absolute", "parent", "link", "feed"])
def test_files_from_outside_the_preset_s_folder_need_a_flag(folder: Path, way: str) -> None:
    private = folder.parent / "private.txt"
    (folder / "link.txt").symlink_to(private)
    (folder.parent / "feed.csv").write_text("user\nann\n")
    name = {"absolute": str(private), "parent": "../private.txt", "link": "link.txt", "feed": "inside.txt"}[way]
    (folder / "inside.txt").write_text("{{feed.user}}" if way == "feed" else "hello")
    feed = 'feed = "../feed.csv"\n[[messages.templates]]\n' if way == "feed" else "[[messages.templates]]\n"
    text = TEMPLATE.replace("[[messages.templates]]\n", feed)
    (folder / "sends.toml").write_text(STAGE + text + f'file = "{name}"\n')
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
        STAGE.replace("[target]\n", '[target]\nheaders.X-A = "${HOME}"\n') + TEMPLATE + 'file = "hello.json"\n'
    )
    listed = "sends to its target: the file hello.json, the variables AWS_SECRET_ACCESS_KEY, HOME"
    status, out = said("presets", "validate", "s.toml")
    assert status == 0 and listed in out
    _, out = said("check", "s.toml", "--url", "ws://127.0.0.1:9/ws")
    assert listed in out
    monkeypatch.setenv("PW", "x1y2z3")
    _, out = said("check", "s.toml", "--url", "ws://me:${PW}@127.0.0.1:9/ws")
    assert f"{listed}\n" in out, "what the command line says is not the preset's doing"


@pytest.mark.parametrize("host", ["-oProxyCommand=touch ran", "-oX@box", "box -oX", "a@-oX", "$(touch ran)"])
def test_a_host_cannot_be_an_option_of_ssh(folder: Path, host: str) -> None:
    (folder / "p.toml").write_text(STAGE + f"[fleet]\nhosts = ['{host}']\n")
    status, out = said("check", "p.toml")
    assert status == 2 and "is no host" in out


def test_a_whole_process_says_so_as_well(folder: Path) -> None:
    status, _, err = call("check", "p.toml", cwd=folder)
    assert status == 2 and "may run commands of its own" in err and not (folder.parent / "ran").exists()


def test_an_empty_token_file_is_refused(folder: Path) -> None:
    for content in ("", "\n", "\ufeff\n"):
        (folder / "token").write_text(content)
        status, out = said("run", "p.toml", "--token-file", "token")
        assert status == 2 and "--token-file token is empty" in out


def test_a_short_secret_does_not_listen_beyond_this_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "x" * 15)
    status, out = said("server", "--host", "0.0.0.0", "--port", "0")
    assert status == 2 and "15 bytes is soon guessed" in " ".join(out.split())
