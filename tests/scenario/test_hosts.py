"""The machines that make the load: how they are written, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from wstui.scenario.checks import warnings
from wstui.scenario.errors import BadValue, ScenarioError
from wstui.scenario.file import dumps, load
from wstui.scenario.hosts import HostSpec, check_scheduler, parse_host
from wstui.scenario.model import Fleet, Scenario, Stage, Target
from wstui.scenario.overrides import Overrides, apply


@pytest.mark.parametrize(
    ("text", "host", "name"),
    [
        ("host1", HostSpec("host1"), "host1"),
        ("host2:4", HostSpec("host2", 4), "host2"),
        (" user@host3 ", HostSpec("user@host3"), "host3"),
        ("10.0.0.7:12", HostSpec("10.0.0.7", 12), "10.0.0.7"),
        ("me@[fe80::1]:2", HostSpec("me@fe80::1", 2), "fe80::1"),
        ("docker", HostSpec("docker"), "docker"),
        ("docker:4", HostSpec("docker", 4), "docker"),
        ("docker:box.1:4", HostSpec("box.1", 4, "docker"), "box.1"),
        ("k8s:load/app=load:3", HostSpec("load/app=load", 3, "k8s"), "load/app=load"),
        ("k8s:load/app=load,tier!=x", HostSpec("load/app=load,tier!=x", 0, "k8s"), "load/app=load,tier!=x"),
        ("exec:ip netns exec a", HostSpec("ip netns exec a", 0, "exec"), "ip netns exec a"),
    ],
)
def test_a_host_has_a_destination_for_ssh_and_perhaps_a_number_of_workers(text: str, host: HostSpec, name: str) -> None:
    assert parse_host(text) == host and host.name == name


@pytest.mark.parametrize(
    ("text", "words", "near"),
    [
        ("", "is empty", ""),
        ("-oProxyCommand=sh", "is not a host", ""),
        ("ssh://host1", "is not a host", "host1"),
        ("ssh host1", "is not a host", "host1"),
        ("fe80::1", "is not a host", "[fe80::1]"),
        ("host1:four", "needs a number of workers", "host1"),
        ("host1:2222", "asks for 2222 workers", ""),
        ("host1:0", "asks for 0 workers", ""),
        ("docker:-rf", "does not name a host after docker:", ""),
        ("docker:box:2000", "asks for 2000 workers", ""),
        ("k8s:load", "k8s:NAMESPACE/app=load", ""),
        ("k8s:load/--all", "does not name a host after k8s:", ""),
        ("exec:", "does not name a host after exec:", ""),
        ("exec:'a", "is not a command: no closing quotation", ""),
    ],
)
def test_what_is_no_host_is_told_with_what_was_meant(text: str, words: str, near: str) -> None:
    with pytest.raises(BadValue, match=words) as caught:
        parse_host(text)
    assert caught.value.nearest == near


@pytest.mark.parametrize("address", ["", "tls://10.0.0.1:8786", "tcp://127.0.0.1:8786", "tcp://localhost:8786"])
def test_a_scheduler_that_is_encrypted_or_on_loopback_may_be_joined(address: str) -> None:
    assert check_scheduler(address) == address


@pytest.mark.parametrize(
    ("address", "words", "near"),
    [
        ("tcp://10.0.0.1:8786", "is not encrypted", "tls://10.0.0.1:8786"),
        ("tcp://host:8786", "is not encrypted", "tls://host:8786"),
        ("host:8786", "does not begin with tls://", "tls://host:8786"),
        ("http://host:8786", "does not begin with tls://", "tls://host:8786"),
        ("tls://host", "tls://HOST:PORT", ""),
    ],
)
def test_a_scheduler_that_would_run_anybodys_code_is_refused(address: str, words: str, near: str) -> None:
    with pytest.raises(BadValue, match=words) as caught:
        check_scheduler(address)
    assert caught.value.nearest == near


def preset(folder: Path, fleet: str) -> Path:
    path = folder / "several.toml"
    path.write_text(
        f'[target]\nurl = "ws://10.0.0.1:9/ws"\n[[stages]]\nname = "hold"\nover = "1s"\nclients = 4\n[fleet]\n{fleet}\n'
    )
    return path


def test_a_preset_names_hosts_and_flags_take_their_place(tmp_path: Path) -> None:
    scenario = load(preset(tmp_path, 'hosts = ["host1", "host2:4"]'))
    assert isinstance(scenario, Scenario) and scenario.fleet.hosts == ["host1", "host2:4"]
    assert 'hosts = [\n    "host1",\n    "host2:4",\n]' in dumps(scenario)
    asked = apply(scenario, {}, Overrides(hosts=["user@host3"], host_python="/opt/py/bin/python"))
    assert (asked.fleet.hosts, asked.fleet.python) == (["user@host3"], "/opt/py/bin/python")


def test_commas_separate_hosts_but_not_the_parts_of_a_selector() -> None:
    fleet = Fleet.model_validate({"hosts": "host1:2, k8s:load/app=load,tier!=x:2,docker:box"})
    assert fleet.hosts == ["host1:2", "k8s:load/app=load,tier!=x:2", "docker:box"]


def test_every_mistake_in_the_fleet_is_told_by_key_and_value(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(preset(tmp_path, 'host = ["host1"]\nhosts = ["host 2"]\nscheduler = "tcp://host:1"\nworkers = -1'))
    text = str(caught.value)
    for part in (
        'fleet.host: is not a key; did you mean "hosts"?',
        'fleet.hosts[0] = "host 2": is not a host',
        'fleet.scheduler = "tcp://host:1": is not encrypted',
        "fleet.workers = -1",
    ):
        assert part in text
    with pytest.raises(ScenarioError) as caught:
        load(
            preset(tmp_path, 'hosts = ["host1", "me@host1:2"]\nscheduler = "tls://host:1"\nssh_config = "none.conf"'),
        )
    for part in ('name host1 twice: write "host1:2"', "cannot be joined beside fleet.hosts", "is not a file"):
        assert part in str(caught.value)


def test_a_wrong_host_on_the_command_line_is_blamed_on_it() -> None:
    scenario = Scenario(target=Target(url="ws://10.0.0.1/"), stages=[Stage(name="a", over=1, clients=1)])
    with pytest.raises(ScenarioError, match=r'command line: --hosts = "ssh://host1": is not a host.*"host1"'):
        apply(scenario, {}, Overrides(hosts=["ssh://host1"]))


def test_a_target_on_loopback_is_doubted_when_others_make_the_load() -> None:
    stages = [Stage(name="a", over=30, clients=1)]
    (told,) = warnings(Scenario(stages=stages, fleet=Fleet(hosts=["host1"])))
    assert "each machine that makes load will look for the server on itself" in told
    assert warnings(Scenario(target=Target(url="ws://10.0.0.1/"), stages=stages, fleet=Fleet(hosts=["host1"]))) == []
    (told,) = warnings(Scenario(stages=stages, fleet=Fleet(python="/usr/bin/python3")))
    assert "fleet.python has no effect" in told
