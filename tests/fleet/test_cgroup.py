"""What a container may use is what its control groups leave it, not what its machine has."""

from pathlib import Path

import pytest

from wstui.fleet import cgroup, host_facts

MIB = 1 << 20


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """A pod's group of 4 GiB, and the container's in it without a limit of its own, on two processors and a half."""
    (tmp_path / "own").write_text("0::/pod/container\n")
    write(tmp_path, pod__memory_dot_max=str(4096 * MIB), pod__memory_dot_current=str(1000 * MIB))
    write(tmp_path, pod__memory_dot_stat=f"anon 5\ninactive_file {200 * MIB}", pod__cpu_dot_max="max 100000")
    write(tmp_path, pod__container__memory_dot_max="max", pod__container__memory_dot_current="7")
    write(tmp_path, pod__container__cpu_dot_max="250000 100000")
    return tmp_path


def test_the_narrowest_group_counts_and_cached_files_are_free(v2: Path) -> None:
    assert cgroup.memory_left(v2, v2 / "own") == 3296 * MIB
    assert cgroup.processors(v2, v2 / "own") == 2.5


def test_groups_of_the_first_version_are_found_where_a_container_sees_its_own_as_the_root(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n")
    write(tmp_path, memory__memory_dot_limit_in_bytes=str(100 * MIB), memory__memory_dot_usage_in_bytes=str(60 * MIB))
    write(tmp_path, cpu__cpu_dot_cfs_quota_us="150000", cpu__cpu_dot_cfs_period_us="100000")
    assert cgroup.memory_left(tmp_path, tmp_path / "own") == 40 * MIB
    assert cgroup.processors(tmp_path, tmp_path / "own") == 1.5
    write(tmp_path, cpu__cpu_dot_cfs_quota_us="-1")
    assert cgroup.processors(tmp_path, tmp_path / "own") is None


def test_without_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert cgroup.memory_left(tmp_path, tmp_path / "own") is cgroup.processors(tmp_path, tmp_path / "own") is None


def test_a_host_has_no_more_than_its_container_may_use(v2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "ROOT", v2)
    monkeypatch.setattr(cgroup, "OWN", v2 / "own")
    write(v2, pod__memory_dot_max=str(1001 * MIB))
    assert host_facts.free_memory() == 201 * MIB
    write(v2, pod__container__cpu_dot_max="50000 100000")
    assert host_facts.cores() == host_facts.spare_cores() == 1
