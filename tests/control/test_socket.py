"""The control socket: who may connect, what is said, and that no client harms the run or another client."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import pytest

from tests.control.served import Raw, SteeredSession, mode, served
from tests.control.test_schema import COMMANDS
from tests.report import stand_in
from tests.tui import fake, fake_search
from tests.waiting import wait_until
from wstui.control import registry, run_server
from wstui.control.control_messages import Hello, line
from wstui.control.link import ConnectionLost, Link
from wstui.control.registry import NoSuchRun
from wstui.control.remote_run import READ_ONLY, RemoteRun, attach
from wstui.control.status_lines import Encodings, StatusReader, StatusWriter
from wstui.execution.run.commands import DrainRun, PauseRun, RampTo, WatchClient
from wstui.execution.run.result import SuiteResult
from wstui.execution.run.status import Status
from wstui.measure.timeline import Mark
from wstui.scenario.secret_fields import masked


def same(one: Status, other: Status) -> None:
    """Every field, however it was carried."""
    for field in fields(Status):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("rows", "marks", "watched"):
            mine, theirs = list(mine), list(theirs)
        elif field.name == "scenario":
            mine, theirs = masked(mine), masked(theirs)
        assert mine == theirs and (mine is None) == (theirs is None), field.name


@pytest.mark.parametrize(
    "picture",
    [
        fake.status(),
        fake.first_second(),
        fake_search.searching(),
        stand_in.status(20),
        stand_in.status(20, started=None),
    ],
    ids=["running", "starting", "search", "plain", "not begun"],
)
def test_a_status_arrives_as_it_was(picture: Status) -> None:
    reader, writer = StatusReader(), StatusWriter(Encodings())
    for shown in (picture, replace(picture, elapsed_s=999.0, note="later", target=None)):
        changes = writer.changes(shown)
        assert changes is not None
        same(reader.take(msgspec.json.decode(msgspec.json.encode(changes), type=type(changes))), shown)
    assert writer.changes(shown) is None


def test_only_what_is_new_is_sent_and_the_next_run_of_a_suite_begins_anew() -> None:
    reader, writer = StatusReader(), StatusWriter(Encodings())
    first, second = stand_in.status(20), stand_in.status(21)
    for shown in (first, second, stand_in.status(3, started=stand_in.STARTED.replace(hour=13), name="next")):
        changes = writer.changes(shown)
        assert changes is not None
        if shown is second:
            assert "scenario" not in changes.changed and len(changes.changed["rows"]) < 1500
        same(reader.take(changes), shown)


def test_a_secret_stays_with_the_run() -> None:
    changes = StatusWriter(Encodings()).changes(stand_in.status(2, token="hunter2secret"))
    assert changes is not None and b"hunter2" not in msgspec.json.encode(changes)
    assert StatusReader().take(changes).scenario.auth.token.get_secret_value() == ""


def test_the_socket_is_private_is_named_and_goes_with_the_run() -> None:
    with served(numbers=(7,)) as at:
        assert (mode(at.entry.socket), mode(Path(at.entry.socket).parent)) == (0o600, 0o700)
        (entry,) = registry.entries()
        assert entry == at.entry and entry.pid == os.getpid() and entry.runs == [7]
        assert Path(entry.socket).parent == registry.folder() / entry.id
        assert all(mode(path) == 0o600 for path in Path(entry.socket).parent.iterdir())
        for reference in ("", "last", entry.id, entry.id[:2], "7", "checkout-soak"):
            assert registry.find(reference).id == entry.id
        with Raw(entry.socket) as client:
            hello = client.read()
        assert (hello["type"], hello["protocol"], hello["run"], hello["pid"]) == ("hello", 1, entry.id, os.getpid())
        with served(), pytest.raises(NoSuchRun, match=r"2 runs are going on, say which: \w{4} \(checkout-soak\)"):
            registry.find("")
    assert not Path(entry.socket).parent.exists() and registry.entries() == []
    with pytest.raises(NoSuchRun, match="no run is going on"):
        registry.find("last")


def test_what_a_killed_run_left_behind_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, tests.control.served as s\n"
        "with s.served() as at: print(at.entry.socket, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    left = Path(done.stdout.strip())
    assert left.is_socket()
    assert registry.entries() == [] and not left.exists()
    assert not left.parent.exists()


def test_a_file_that_names_another_folder_is_left_alone(tmp_path: Path) -> None:
    with served() as at:
        bad = registry.folder() / "bcdf"
        bad.mkdir()
        dead = {**msgspec.to_builtins(at.entry), "id": "..", "writer": at.entry.writer.replace(str(os.getpid()), "1")}
        (bad / "run.json").write_text(msgspec.json.encode(dead).decode())
        assert registry.entries() == [at.entry] and bad.exists() and Path(at.entry.socket).exists()


def test_a_data_folder_too_deep_for_a_socket_gets_one_in_a_short_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / ("deep" * 30)))
    with served() as at:
        place = Path(at.entry.socket).parent
        assert len(at.entry.socket) < 60 and mode(place) == 0o700
        with Raw(registry.find("last").socket) as client:
            assert client.read()["run"] == at.entry.id
    assert not place.exists()


def test_many_watch_and_steer_and_each_command_names_its_sender() -> None:
    run = SteeredSession()
    with served(run):
        one, other = attach("", "ci"), attach("", "colleague")
        assert one.send(RampTo(50, 2.0)).result(30).text == "target 12 000 → 50 clients over 2 s"
        assert other.send(PauseRun()).result(30).done
        refused = one.send(PauseRun()).result(30)
        assert not refused.done and refused.text == "the run is paused already"
        assert one.await_status(lambda status: status.state == "paused" and status.target_clients == 50, 30)
        assert other.await_status(lambda status: status.state == "paused", 30)
        one.close()
        other.close()
    who = [f"({name}, pid {os.getpid()})" for name in ("ci", "colleague", "ci")]
    assert [sender.partition(" ")[2] for sender in run.senders] == who


def test_rows_and_marks_are_followed() -> None:
    run = SteeredSession()
    with served(run):
        one = attach("", "ci")
        same(one.status, run.status)
        run.picture = replace(
            run.picture,
            marks=(*run.picture.marks, Mark(250.0, "note", "3 → 6 pods")),
            rows=(*run.picture.rows, *fake.rows(260)[fake.ELAPSED_S :]),
        )
        assert one.await_status(lambda status: len(status.rows) == 260, 30)
        same(one.status, run.status)
        one.close()


def test_the_end_brings_the_result_to_all_who_watch() -> None:
    run, whole = SteeredSession(), fake.result()
    server_ = run_server.ControlServer(run, numbers=tuple)
    server_.start()
    one, other = attach("", "one"), attach("", "other")
    run.ended.set()
    run.execute()
    suite = SuiteResult(name="two", started="", finished="", verdict=whole.verdict, runs=[whole, whole])
    server_.close(suite)
    assert one.execute() == other.execute() == suite
    assert not one.send(DrainRun()).result(30).done and one.lost == ""


def test_a_run_that_is_cut_short_is_named_as_such() -> None:
    with served():
        one = attach("", "one")
    with pytest.raises(ConnectionLost, match="cut short"):
        one.execute()


def test_read_only_refuses_every_command() -> None:
    run = SteeredSession()
    with served(run):
        one = attach("", "guest", read_only=True)
        steering = [command for command in COMMANDS if not isinstance(command, WatchClient)]
        assert len(steering) == 12
        for command in steering:
            answer = one.send(command).result(30)
            assert (answer.done, answer.text) == (False, READ_ONLY)
        one.close()
    assert run.senders == [] and run.commands == []


def test_the_same_events_are_streamed_as_with_the_flag() -> None:
    with served() as at, Raw(at.entry.socket) as client:
        client.write(b'{"type":"watch","status":false,"events":true}\n')
        assert client.read()["type"] == "hello"
        kinds = [client.read()["event"]["event"] for _ in range(2 + fake.ELAPSED_S)]
        assert kinds[:2] == ["start", "row"] or kinds[0] == "start"
        assert kinds.count("row") >= fake.ELAPSED_S - 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\xff\n",
        b"[]\n",
        b'{"type":"command","id":1,"command":{"type":"format"}}\n',
        b"{" * 70_000,
    ],
    ids=["http", "binary", "array", "unknown command", "endless line"],
)
def test_garbage_is_answered_with_an_error_and_closed(garbage: bytes) -> None:
    run = SteeredSession()
    with served(run) as at, Raw(at.entry.socket) as client:
        client.write(garbage)
        error = client.until("error")
        assert "at most 64 KiB" in error["text"] and "wstui manual control" in error["text"]
        assert client.read() == {}
        assert attach("", "ci").send(PauseRun()).result(30).done


def test_an_endless_line_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as at, Raw(at.entry.socket) as client:
        sent = 0
        with pytest.raises(OSError):
            while sent < 1 << 30:
                sent += client.socket.send(b"x" * (1 << 20))
        assert sent < 64 << 20


def test_a_thousand_connections_leave_room_for_the_run_and_for_those_before() -> None:
    run = SteeredSession()
    with served(run) as at:
        first = attach("", "first")
        crowd: list[socket.socket] = []
        for _ in range(1000):
            crowd.append(one := socket.socket(socket.AF_UNIX))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(at.entry.socket)
        with pytest.raises(ConnectionLost, match="64 clients are connected already"):
            attach("", "late")
        assert first.send(PauseRun()).result(30).done
        for one in crowd:
            one.close()

        def free() -> bool:
            try:
                attach("", "after").close()
            except ConnectionLost:
                return False
            return True

        wait_until(free)
        first.close()


def test_a_slow_reader_is_dropped_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_server, "SLOW_S", 0.3)
    monkeypatch.setattr(run_server, "EVERY_S", 0.01)
    run = SteeredSession()
    with served(run) as at, Raw(at.entry.socket) as slow:
        slow.write(b'{"type":"watch"}\n')
        quick = attach("", "quick")
        for seconds in range(60):
            run.picture = fake.status(rows=fake.rows(600), note=f"{seconds}" * 20_000, elapsed_s=float(seconds))
            assert quick.await_status(lambda status, wanted=seconds: status.elapsed_s >= wanted, 30)  # type: ignore[misc]
        wait_until(lambda: len(at.clients) == 1)
        while slow.lines.read(1 << 20):
            pass  # what was in the buffers, then the end
        quick.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_cannot_connect() -> None:
    with served() as at:
        program = (
            "import os, socket, sys\nos.setgid(65534); os.setuid(65534)\n"
            "socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, at.entry.socket], capture_output=True, text=True, check=False
        )
        assert "PermissionError" in done.stderr
        # Even with the folder open, the kernel's word on who it is decides.
        Path(at.entry.socket).chmod(0o666)
        for folder in Path(at.entry.socket).parents:
            if folder.owner() == "root" and not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)
        reading = program.replace(
            "socket.socket(socket.AF_UNIX).connect(sys.argv[1])",
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.makefile().read())",
        )
        done = subprocess.run(
            [sys.executable, "-c", reading, at.entry.socket], capture_output=True, text=True, check=False
        )
        assert '"type":"error","text":"this run is root\'s"' in done.stdout, done.stderr


def test_another_version_of_the_protocol_is_named_on_either_side() -> None:
    with served() as at, Raw(at.entry.socket) as client:
        client.write(line(Hello(protocol=9)))
        assert "speaks protocol 1, not 9" in client.until("error")["text"]
    mine, theirs = socket.socketpair()
    theirs.sendall(line(Hello(protocol=2, wstui="9.9", run="bcdf", user="ada")))
    with pytest.raises(ConnectionLost, match=r"run bcdf is of wstui 9\.9 and speaks protocol 2"):
        RemoteRun(Link(mine.makefile("rb"), mine.makefile("wb"), lambda: ""), "ci")
    mine.close()
    theirs.close()


def test_a_run_goes_on_after_those_who_watched_it_went() -> None:
    run = SteeredSession()
    with served(run) as at:
        clients = [attach("", "watcher") for _ in range(5)]
        for client in clients:
            client.close()
        wait_until(lambda: not at.clients)
        assert attach("", "ci").send(PauseRun()).result(30).done
        assert threading.active_count() < 20
