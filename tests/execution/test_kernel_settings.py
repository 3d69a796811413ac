"""What the kernel must allow for a load."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wstui.cli.check import check
from wstui.execution.preflight.checklist import Check
from wstui.execution.preflight.host_checks import of_facts
from wstui.execution.preflight.kernel_settings import lacking
from wstui.execution.suite import SuiteRun
from wstui.fleet import host_facts
from wstui.fleet.host_facts import PORT_RANGE, Facts, kernel_settings
from wstui.scenario.model import Fleet, Scenario, Stage, Target


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the kernel's settings."""
    monkeypatch.setattr(host_facts, "SYSTEM", tmp_path)
    return tmp_path


def kernel(system: Path, **values: str) -> Path:
    for name, value in values.items():
        path = system / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return system


def scenario(*hosts: str, url: str = "ws://127.0.0.1:1/") -> Scenario:
    stages = [Stage(name="up", over=1, clients=100_000)]
    return Scenario(target=Target(url=url), stages=stages, fleet=Fleet(hosts=list(hosts)))


def test_each_setting_that_is_too_small_has_its_command_and_can_be_set(system: Path) -> None:
    kernel(
        system,
        fs__nr_open="65536",
        **{"fs__file-max": "9223372036854775807"},
        fs__epoll__max_user_watches="5000000",
        net__netfilter__nf_conntrack_max="262144",
        net__ipv4__ip_local_port_range="32768\t60999",
    )
    found = list(lacking(kernel_settings(), 400_000, 2, 28_232))
    assert [setting.command for setting in found] == [
        "sysctl -w fs.nr_open=400128",
        "sysctl -w net.netfilter.nf_conntrack_max=800000",
        "sysctl -w net.ipv4.ip_local_port_range='1024 65535'",
    ]
    checks = [setting.check(fixed=False) for setting in found]
    assert "this load takes 800000" in checks[1].text
    assert checks[1].fix == "sudo sysctl -w net.netfilter.nf_conntrack_max=800000 (or `wstui check --fix` as root)"
    assert [check.mark.value for check in checks] == ["fail", "fail", "warn"], "source addresses do instead of ports"
    for setting in found:
        setting.apply()
    assert list(lacking(kernel_settings(), 400_000, 2, 28_232 * 20)) == []


def test_a_system_without_these_settings_lacks_none(system: Path) -> None:
    assert list(lacking(kernel_settings(), 400_000, 2, 28_232)) == []


def test_a_range_of_ports_that_is_as_wide_already_is_left_alone(system: Path) -> None:
    for text, lacks in (("1000\t65535", False), ("1024\t65535", False), ("1025\t65535", True)):
        kernel(system, net__ipv4__ip_local_port_range=text)
        assert bool(list(lacking(kernel_settings(), 400_000, 2, 64_000))) is lacks, text


def test_clients_on_a_unix_socket_need_no_ports(system: Path) -> None:
    kernel(system, net__ipv4__ip_local_port_range="1 2", net__netfilter__nf_conntrack_max="3")
    assert list(lacking(kernel_settings(), 400_000, 2, 0)) == []


def test_a_host_is_told_its_commands_and_a_container_who_can_give_them() -> None:
    settings = {PORT_RANGE: "32768 60999", "net.netfilter.nf_conntrack_max": "65536"}

    def fixes(fixed: bool) -> list[str]:
        facts = Facts("1", "3", "1", 4, 4, 0.0, 1 << 20, 28_232, 64 << 30, settings=settings, fixed=fixed)
        return [found.fix for found in of_facts(facts, scenario("host1"), 4, 4) if found.name == "sysctl"]

    there = "sudo sysctl -w net.netfilter.nf_conntrack_max=200000"
    assert fixes(False) == [f"{there} (there)", f"sudo sysctl -w {PORT_RANGE}='1024 65535' (there)"]
    assert fixes(True)[0] == f"{there}, on the machine that runs this container"
    assert f"--sysctl {PORT_RANGE}='1024 65535', or name it in the pod's securityContext.sysctls" in fixes(True)[1]


@pytest.mark.parametrize(
    ("root", "answer", "value"),
    [(True, "y\n", "1024 65535"), (True, "n\n", "1 2"), (True, "", "1 2"), (False, "y\n", "1 2")],
)
def test_fix_sets_what_lacks_as_root_and_only_if_the_operator_agrees(
    system: Path, monkeypatch: pytest.MonkeyPatch, root: bool, answer: str, value: str
) -> None:
    file = kernel(system, net__ipv4__ip_local_port_range="1 2") / "net/ipv4/ip_local_port_range"
    told = fix(monkeypatch, scenario(), root=root, answer=answer)
    assert "sysctl -w net.ipv4.ip_local_port_range='1024 65535'" in told.output
    assert file.read_text().strip() == value
    assert ("needs root" in told.output) is not root
    assert ("nobody answered" in told.output) is (answer == "") and told.exit_code == 0


def test_what_a_container_cannot_set_is_told_with_who_can(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(system, net__ipv4__ip_local_port_range="1 2")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr("wstui.cli.check.settings_fixed", lambda: True)
    told = fix(monkeypatch, scenario()).output
    assert (
        f"--fix can't set {PORT_RANGE} = 1024 65535: Read-only file system; start the container with --sysctl" in told
    )


def test_fix_does_not_speak_for_other_hosts(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(system, net__ipv4__ip_local_port_range="1 2")
    told = fix(monkeypatch, scenario("host1")).output
    assert "--fix sets this machine only, and other hosts make the load" in told and "enough" not in told
    assert PORT_RANGE in fix(monkeypatch, scenario("host1"), scenario(), answer="n\n").output


def fix(monkeypatch: pytest.MonkeyPatch, *scenarios: Scenario, root: bool = True, answer: str = "y\n") -> Result:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr("wstui.cli.check.prepare", lambda *_, **__: SuiteRun(scenarios))
    monkeypatch.setattr("wstui.cli.check._collect", no_checks)
    return CliRunner().invoke(check, ["any", "--fix"], input=answer)


async def no_checks(*_: object) -> list[Check]:
    return []
