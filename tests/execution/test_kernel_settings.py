"""What the kernel must allow for a load."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from wstui.cli.check import check
from wstui.execution.preflight import kernel_settings
from wstui.execution.preflight.checklist import Check
from wstui.execution.preflight.kernel_settings import lacking
from wstui.execution.suite import SuiteRun
from wstui.scenario.model import Scenario, Stage, Target


def kernel(system: Path, **values: str) -> Path:
    for name, value in values.items():
        path = system / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return system


def test_each_setting_that_is_too_small_has_its_command_and_can_be_set(tmp_path: Path) -> None:
    system = kernel(
        tmp_path,
        fs__nr_open="65536",
        **{"fs__file-max": "9223372036854775807"},
        fs__epoll__max_user_watches="5000000",
        net__netfilter__nf_conntrack_max="262144",
        net__ipv4__ip_local_port_range="32768\t60999",
    )
    found = list(lacking(400_000, 2, 28_232, system))
    assert [setting.command for setting in found] == [
        "sysctl -w fs.nr_open=400128",
        "sysctl -w net.netfilter.nf_conntrack_max=800000",
        "sysctl -w net.ipv4.ip_local_port_range='1024 65535'",
    ]
    assert "this load takes 800000" in found[1].check.text
    for setting in found:
        setting.apply(system)
    assert list(lacking(400_000, 2, 28_232 * 20, system)) == []


def test_a_system_without_these_settings_lacks_none(tmp_path: Path) -> None:
    assert list(lacking(400_000, 2, 28_232, tmp_path)) == []


@pytest.mark.parametrize(
    ("root", "answer", "value"), [(True, "y", "1024 65535"), (True, "n", "1 2"), (False, "y", "1 2")]
)
def test_fix_sets_what_lacks_as_root_and_only_if_the_operator_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: bool, answer: str, value: str
) -> None:
    file = kernel(tmp_path, net__ipv4__ip_local_port_range="1 2") / "net/ipv4/ip_local_port_range"
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(kernel_settings, "SYSTEM", tmp_path)
    scenario = Scenario(target=Target(url="ws://127.0.0.1:1/"), stages=[Stage(name="up", over=1, clients=100_000)])
    monkeypatch.setattr("wstui.cli.check.prepare", lambda *_, **__: SuiteRun([scenario]))
    monkeypatch.setattr("wstui.cli.check._collect", no_checks)
    told = CliRunner().invoke(check, ["any", "--fix"], input=f"{answer}\n")
    assert "sysctl -w net.ipv4.ip_local_port_range='1024 65535'" in told.output
    assert file.read_text().strip() == value
    assert ("needs root" in told.output) is not root


async def no_checks(*_: object) -> list[Check]:
    return []
