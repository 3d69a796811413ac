"""Broken roles: each message names the place and the fix; sound ones survive saving, and keep their secrets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conversations.chat import scenario
from wstui.execution.run.compile import spec_of
from wstui.load.protocol import decode_command, encode
from wstui.scenario.checks import warnings
from wstui.scenario.errors import Key, ScenarioError
from wstui.scenario.file import dumps, load, loads
from wstui.scenario.secret_fields import mask_of, masked
from wstui.scenario.toml_lines import lines_of
from wstui.scenario.trust import sends_away

URL = "ws://127.0.0.1:9/ws"
ROLE = '[[roles]]\nname = "a"\n'
SAY = 'loop = [{ json = { type = "say", seq = "{{seq}}" }, expect = { type = "said", seq = "{{seq}}" } }]\n'
SECOND = '[[roles]]\nname = "b"\n'
LOGIN = '[[login]]\nname = "session"\n'
POST = 'post = "http://127.0.0.1:9/login"\n'

BROKEN = [
    # roles and clients
    (ROLE + SAY + ROLE + SAY, "roles[1].name", "names two roles"),
    (ROLE + "weight = 0\n" + SAY, "roles", "weight 0 everywhere"),
    (ROLE + "weight = -1\n" + SAY, "roles[0].weight", "from 0 to"),
    (ROLE + 'weight = "x"\n' + SAY, "roles[0].weight", "is not a number"),
    (ROLE + "clients = 0\n" + SAY, "roles[0].clients", "leave the role out"),
    (ROLE + "clients = 1\nweight = 2\n" + SAY, "roles[0].weight", "keep one"),
    (ROLE + "clients = 1\n" + SAY, "roles", "give one of them a weight"),
    (ROLE + "clients = 900\n" + SAY, "roles", "the load never has more than 5"),
    (ROLE + "lop = []\n", "roles[0].lop", 'did you mean "loop"'),
    ('[[roles]]\nname = "a b.c"\n' + SAY, "roles[0].name", "takes letters"),
    ("[[roles]]\n" + SAY, "roles[0].name", "is missing"),
    # steps
    (ROLE + "loop = [{}]", "roles[0].loop[0]", "does nothing"),
    (ROLE + 'loop = [{ think = "-1s" }]', "roles[0].loop[0].think", "is negative"),
    (ROLE + 'loop = [{ think = "4s..1s" }]', "roles[0].loop[0].think", 'did you mean "1s..4s"'),
    (ROLE + "loop = [{ think = 3 }]", "roles[0].loop[0].think", "without a unit"),
    (ROLE + 'loop = [{ think = "soon" }]', "roles[0].loop[0].think", "is not a delay"),
    (ROLE + 'loop = [{ think = "exponential 0s" }]', "roles[0].loop[0].think", "mean"),
    (ROLE + 'loop = [{ think = "1s", send = "x" }]', "roles[0].loop[0]", "think and a message at once"),
    (ROLE + 'loop = [{ send = "x", hex = "00" }]', "roles[0].loop[0].hex", "and send are both given"),
    (ROLE + 'loop = [{ hex = "0g" }]', "roles[0].loop[0].hex", "is not hex"),
    (ROLE + 'loop = [{ base64 = "=" }]', "roles[0].loop[0].base64", "is not base64"),
    (ROLE + 'loop = [{ file = "/no/such/file" }]', "roles[0].loop[0].file", "is no"),
    (ROLE + "loop = [{ json = { a = inf } }]", "roles[0].loop[0].json", "JSON can't"),
    (ROLE + "loop = [{ json = { a = 2024-01-01 } }]", "roles[0].loop[0].json", "write it as a text"),
    (ROLE + 'loop = [{ send = "x", within = "1s" }]', "roles[0].loop[0].within", "belongs to expect"),
    (ROLE + 'loop = [{ send = "x", refuse = { a = 1 } }]', "roles[0].loop[0].refuse", "belongs to expect"),
    (ROLE + 'loop = [{ send = "x", capture = { a = "b" } }]', "roles[0].loop[0].capture", "belongs to expect"),
    (ROLE + 'loop = [{ send = "x", expect = { a = 1 }, within = "0s" }]', "roles[0].loop[0].within", "more than"),
    (ROLE + "loop = [{ repeat = 3 }]", "roles[0].loop[0].repeat", "nothing to repeat"),
    (ROLE + 'loop = [{ repeat = 0, steps = [{ send = "x" }] }]', "roles[0].loop[0].repeat", "at least 1"),
    (ROLE + 'loop = [{ send = "x", steps = [{ send = "y" }] }]', "roles[0].loop[0].steps", "belong to repeat"),
    (ROLE + "loop = [{ choose = [{ weight = 0 }] }]", "roles[0].loop[0].choose", "weight 0 everywhere"),
    (
        ROLE + 'loop = [{ name = "x", send = "x" }, { name = "x", send = "x" }]',
        "roles[0].loop[1].name",
        "names roles[0]",
    ),
    (ROLE + 'loop = [{ name = "x.y", send = "x" }]', "roles[0].loop[0].name", "takes letters"),
    (ROLE + 'loop = [{ send = "{{pad}}" }]', "roles[0].loop[0].size", "is missing"),
    (ROLE + "loop = [{ binary = true, expect = { a = 1 } }]", "roles[0].loop[0].binary", "there is none"),
    (ROLE + "loop = [" + "{ repeat = 2, steps = [" * 9 + '{ send = "x" }' + "] }" * 9 + "]", "roles[0]", "nested"),
    # words of other tools, and forms that TOML has as well
    (ROLE + 'loop = [{ wait = "1s" }]', "roles[0].loop[0].wait", 'did you mean "think"'),
    (ROLE + 'loop = [{ sleep = "1s" }]', "roles[0].loop[0].sleep", 'did you mean "think"'),
    (ROLE + 'loop = [{ send = "x", expect = { a = 1 }, timeout = "5s" }]', "roles[0].loop[0].timeout", '"within"'),
    (ROLE + "loop = [{ expect = { a = 1 }, extract = { b = 'c' } }]", "roles[0].loop[0].extract", '"capture"'),
    (ROLE + 'open = { send = "x" }\n' + SAY, "roles[0].open", "must be a list: write open = [ … ]"),
    (ROLE + 'loop = ["ping"]', "roles[0].loop[0]", "must be a table: write { … }"),
    (ROLE + "loop = [{ meet = 5 }]", "roles[0].loop[0].meet", "must be a table: write meet = { … }"),
    (ROLE + "loop = [{ expect = { a = 1 }, capture = ['a'] }]", "roles[0].loop[0].capture", "write capture = { … }"),
    (ROLE + 'loop = [{ expect = { absent = "a", "a.b" = "*" } }]', "roles[0].loop[0].expect", "can never match"),
    (ROLE + 'loop = [{ expect = { absent = "a.b", a = { b = 1 } } }]', "roles[0].loop[0].expect", "can never match"),
    (ROLE + 'loop = [{ expect = { type = "a", equals = "b" } }]', "roles[0].loop[0].expect", "can never match"),
    (ROLE + 'loop = [{ http = { get = "/api" } }]', "roles[0].loop[0].http.get", "is not an http:// or https:// URL"),
    (ROLE + 'loop = [{ http = { get = "ws://h/" } }]', "roles[0].loop[0].http.get", 'did you mean "http://h/"'),
    (ROLE + 'loop = [{ send = "{{seq" }]', "roles[0].loop[0].send", "close it, or write"),
    (ROLE + 'loop = [{ think = "{{delay}}" }]', "roles[0].loop[0].think", "write capture = { delay ="),
    (ROLE + SAY + 'heartbeats = [{ every = "{{iv}}ms", send = "x" }]', "roles[0].heartbeats[0].every", "write capture"),
    (ROLE + SAY + 'url = "http://h/"', "roles[0].url", 'did you mean "ws://h/"'),
    (ROLE + 'loop = [{ repeat = -1, steps = [{ send = "x" }] }]', "roles[0].loop[0].repeat", "must be at least 1"),
    (ROLE + "clients = 1.5\n" + SAY, "roles[0].clients", "must be a whole number"),
    (ROLE + SAY + 'script = "/no/such.py"', "roles[0].script", "is not a file"),
    # matchers
    (ROLE + "loop = [{ expect = {} }]", "roles[0].loop[0].expect", "would match any message"),
    (ROLE + "loop = [{ expect = [] }]", "roles[0].loop[0].expect", "no message matches"),
    (ROLE + 'loop = [{ expect = "ok" }]', "roles[0].loop[0].expect", "takes a table"),
    (ROLE + 'loop = [{ expect = { "a..b" = 1 } }]', "roles[0].loop[0].expect", "is not a path"),
    (ROLE + 'loop = [{ expect = { regex = "(" } }]', "roles[0].loop[0].expect", "cannot be read"),
    (ROLE + 'loop = [{ expect = { hex = "0" } }]', "roles[0].loop[0].expect", "not hexadecimal"),
    (ROLE + "loop = [{ expect = { contains = 1 } }]", "roles[0].loop[0].expect", 'write "$.contains"'),
    (ROLE + 'loop = [{ expect = { equals = "a", contains = "b" } }]', "roles[0].loop[0].expect", "can never match"),
    (ROLE + 'loop = [{ expect = { "$.a" = 1, a = 2 } }]', "roles[0].loop[0].expect", "can never match"),
    (ROLE + 'loop = [{ expect = { a = 1, "a.b" = 2 } }]', "roles[0].loop[0].expect", "can never match"),
    # placeholders and variables
    (ROLE + 'loop = [{ json = { a = "{{tokn}}" } }]', "roles[0].loop[0].json", "neither a placeholder nor a"),
    (ROLE + 'loop = [{ send = "{{sqe}}" }]', "roles[0].loop[0].send", 'did you mean "{{seq}}"'),
    (ROLE + 'loop = [{ send = "{{message.id}}" }]', "roles[0].loop[0].send", "only there in an answer"),
    (ROLE + 'loop = [{ send = "{{feed.user}}" }]', "roles[0].loop[0].send", "has no feed"),
    (ROLE + 'loop = [{ send = "{{env NO_SUCH_VARIABLE}}" }]', "roles[0].loop[0].send", "is not set"),
    (ROLE + 'loop = [{ send = "{{key}}" }]', "roles[0].loop[0].send", "neither a placeholder nor a variable"),
    (
        ROLE + 'loop = [{ send = "{{id2}}" }, { expect = { a = 1 }, capture = { id2 = "a" } }]',
        "roles[0].loop[0].send",
        "captured later",
    ),
    (
        ROLE
        + 'loop = [{ choose = [{ steps = [{ expect = { a = 1 }, capture = { v = "a" } }] }, {}] }, { send = "{{v}}" }]',
        "roles[0].loop[1].send",
        "not on every way",
    ),
    (
        ROLE + 'leave = [{ send = "{{v}}" }]\nloop = [{ expect = { a = 1 }, capture = { v = "a" } }]',
        "roles[0].leave[0].send",
        "captured later",
    ),
    (ROLE + 'loop = [{ expect = { a = 1 }, capture = { seq = "a" } }]', "roles[0].loop[0].capture.seq", "my_seq"),
    (
        ROLE + 'loop = [{ expect = { a = 1 }, capture = { "a-b" = "a" } }]',
        "roles[0].loop[0].capture.a-b",
        "takes letters",
    ),
    (ROLE + 'loop = [{ expect = { a = 1 }, capture = { a = "regex:x" } }]', "roles[0].loop[0].capture.a", "no group"),
    (ROLE + 'loop = [{ meet = { name = "x", clients = 500 } }]', "roles[0].loop[0].meet", "never has more than 5"),
    (ROLE + "loop = [{ meet = { clients = 2 } }]", "roles[0].loop[0].meet.name", "is missing"),
    (
        ROLE + "loop = [{ expect = { a = 1 }, refuse = { a = 1, b = 2 } }]",
        "roles[0].loop[0].refuse",
        "can never match: expect takes every message with a = 1",
    ),
    (ROLE + "open = [{ close = true }]\n" + SAY, "roles[0].open[0].close", "before the client is ready"),
    (
        ROLE + 'loop = [{ expect = { a = 1 }, capture = { t = "items[0].id" } }]',
        "roles[0].loop[0].capture.t",
        'write "items.0.id"',
    ),
    (ROLE + "loop = [{ repeat = 1000000000, steps = [{}] }]", "roles[0].loop[0].repeat", "must be at most 1000000"),
    (ROLE + 'loop = [{ send = "' + "x" * 1_100_000 + '" }]', "roles[0].loop[0].send", "is larger than 1 MiB"),
    (ROLE + 'loop = [{ send = "{{pad}}", size = "10MiB" }]', "roles[0].loop[0].size", "must be at most 1MiB"),
    (ROLE + "clients = 0\n" + SAY + SECOND + "clients = 0", "roles[1].clients", "leave the role out"),
    (ROLE + SAY + 'cert_file = "/no/such/{{client}}.pem"', "roles[0].cert_file", "not a file for client 0"),
    (ROLE + SAY + 'key_file = "key.pem"', "roles[0].key_file", "needs cert_file"),
    # logins
    (LOGIN + "json = { a = 1 }\n" + ROLE + SAY, "login[0]", "has no URL"),
    (LOGIN + POST + 'get = "http://h/"\n' + ROLE + SAY, "login[0]", "has get and post: keep one"),
    (LOGIN + 'get = "http://h/"\nbody = "x"\n' + ROLE + SAY, "login[0].body", "belongs to no GET"),
    (LOGIN + POST + 'body = "x"\njson = { a = 1 }\n' + ROLE + SAY, "login[0].json", "keep one"),
    (LOGIN + 'post = "ws://h/"\n' + ROLE + SAY, "login[0].post", 'did you mean "http://h/"'),
    (
        LOGIN + POST + 'json = { a = "{{tokn}}" }\n' + ROLE + SAY,
        "login[0].json",
        "neither a placeholder nor a variable",
    ),
    (LOGIN + 'post = "http://h/{{seq}}"\n' + ROLE + SAY, "login[0].post", "write {{client}}"),
    (LOGIN + 'post = "http://h/{{t}}"\ncapture = { t = "a" }\n' + ROLE + SAY, "login[0].post", "captured later"),
    (LOGIN + POST + "expect = { status = 999 }\n" + ROLE + SAY, "login[0].expect", "write status = 201"),
    (LOGIN + POST + 'capture = { t = "cookie:" }\n' + ROLE + SAY, "login[0].capture.t", "names no cookie"),
    (LOGIN + POST + 'capture = { t = "regex:x" }\n' + ROLE + SAY, "login[0].capture.t", "no group"),
    (LOGIN + POST + 'within = "0s"\n' + ROLE + SAY, "login[0].within", "more than 0s"),
    (LOGIN + POST + 'bdy = "x"\n' + ROLE + SAY, "login[0].bdy", 'did you mean "body"'),
    ('[[login]]\nname = "login"\n' + POST + ROLE + SAY, "login[0].name", "the row of all requests together: rename"),
    (LOGIN + POST + LOGIN + POST + ROLE + SAY, "login[1].name", "names login[0] as well"),
    ("[login]\n" + POST + ROLE + SAY, "login", "in double brackets"),
    # rules
    (
        ROLE + "delivery = [{ of = { a = 1 }, stamp = 'b' }, { of = { a = 2 }, stamp = 'b' }]",
        "roles[0].delivery[1].name",
        "names roles[0].delivery[0] as well: rename one",
    ),
    (
        ROLE
        + 'loop = [{ name = "x", send = "y" }]\n'
        + SECOND
        + 'delivery = { name = "x", of = { a = 1 }, stamp = "b" }',
        "roles[1].delivery[0].name",
        "a step, as well, and this is a delivery: rename one",
    ),
    (ROLE + 'heartbeats = [{ every = "0s", send = "x" }]', "roles[0].heartbeats[0].every", "more than 0"),
    (ROLE + 'heartbeats = [{ every = "1s" }]', "roles[0].heartbeats[0]", "sends nothing"),
    (ROLE + "answer = [{ on = { a = 1 } }]", "roles[0].answer[0]", "answers nothing"),
    (ROLE + 'delivery = { of = { a = 1 }, stamp = "b", unit = "min" }', "roles[0].delivery[0].unit", '"us"'),
    (ROLE + 'sequence = { of = { a = 1 }, number = "" }', "roles[0].sequence[0].number", "is not a path"),
    (ROLE + 'sequence = { of = { a = 1 }, number = "a", per = "b..c" }', "roles[0].sequence[0].per", "is not a path"),
    (ROLE + "watchdogs = [{ on = { a = 1 } }]", "roles[0].watchdogs[0].within", 'write within = "45s"'),
    (ROLE + "answer = [{ on = {} }]", "roles[0].answer[0].on", "would match any message"),
    (ROLE + 'connect = false\nloop = [{ send = "x" }]', "roles[0].loop[0]", "needs a connection"),
    (ROLE + SAY + '[[thresholds]]\nmetric = "step.say.p9x"\nlimit = "< 1s"', "thresholds[0].metric", "is not a metric"),
]

LINES = '''# "[[roles]]" in a comment
[target]
url = "URL"

[[stages]]
name = "a"
over = "5s"
clients = 2

[[roles]]
name = "member"
open = [{ send = """
[[roles]]
""", expect = { "a.b" = 1, c = [1, 2] } }]

[[roles.loop]]
name = "say"
json = { type = "say", token = "{{tokn}}" }
expect = { type = "said" }

[[roles.loop]]
repeat = 2
steps = [
    { think = "1s" },
    { name = "inner", json = { a = "{{nobody}}" } },
]

[[roles.loop]]
think = "-1s"

[[roles.heartbeats]]
every = "0s"
send = "x"
'''
PRESETS = sorted((Path(__file__).parents[2] / "presets").glob("*.toml"))
CASES = sorted(Path(__file__).with_name("cases").glob("*.toml"))


@pytest.mark.parametrize("case", range(len(BROKEN)))
def test_what_is_broken_is_named_with_its_place_and_fix(case: int) -> None:
    roles, place, advice = BROKEN[case]
    with pytest.raises(ScenarioError) as caught:
        scenario(URL, roles, clients=5)
    found = [(problem.key, str(problem)) for problem in caught.value.problems]
    assert any(key.startswith(place) and advice in text for key, text in found), found


@pytest.mark.parametrize("case", range(len(BROKEN)))
def test_a_mistake_in_a_file_is_told_with_its_line_and_role(case: int) -> None:
    roles, place, _ = BROKEN[case]
    text = f'[target]\nurl = "{URL}"\n[[stages]]\nname = "all"\nover = "60s"\nclients = 5\n{roles}'
    with pytest.raises(ScenarioError) as caught:
        loads(text, "chat.toml", {})
    found = [str(problem) for problem in caught.value.problems if problem.key.startswith(place)]
    wanted = r"chat\.toml, line \d+" if "[" in place else "chat\\.toml"
    assert found and all(re.match(wanted, text) for text in found), found


FIXES = re.compile(
    r"write |make a step of each|rename (one|it)|takes a table|did you mean|keep one|give |leave the role out|must be "
    r"|belongs? to|capture |use post|set it|set messages|lower clients|send it in parts|close in loop|needs cert_file"
    r"|is missing|is not a (number|file)|there is no /|from 0 to|can never match|cannot be read|takes letters"
    r"|is not an http|close it|JSON can't: inf|an empty list"
)
"""What tells what to do, or leaves one thing to do: to correct the named value or to give the named key."""


def test_every_mistake_is_told_with_what_to_do() -> None:
    for roles, _, _ in BROKEN:
        with pytest.raises(ScenarioError) as caught:
            scenario(URL, roles, clients=5)
        for problem in caught.value.problems:
            assert FIXES.search(str(problem)), str(problem)[:300]
    assert len(BROKEN) >= 60


def test_a_file_of_ten_megabytes_is_refused_at_once_with_the_place_for_large_payloads(tmp_path: Path) -> None:
    (tmp_path / "chat.toml").write_text(f'{ROLE}loop = [{{ send = "{"x" * 10_000_000}" }}]\n')
    with pytest.raises(ScenarioError, match=r"chat\.toml: is larger than 1 MiB: .*large payloads in files, as file ="):
        load(tmp_path / "chat.toml", {})


def test_line_role_and_step_of_a_mistake_are_those_of_the_file(tmp_path: Path) -> None:
    assert _told(tmp_path, LINES) == ["line 29, role member: roles[0].loop[2].think"]
    assert _told(tmp_path, LINES.replace("-1s", "1s")) == [
        "line 18, role member, step say: roles[0].loop[0].json",
        "line 25, role member, step inner: roles[0].loop[1].steps[1].json",
        "line 32, role member: roles[0].heartbeats[0].every",
    ]


def test_line_and_name_of_a_mistake_in_a_login_are_those_of_the_file(tmp_path: Path) -> None:
    text = LINES.replace("[[stages]]", LOGIN + POST + 'json = { a = [1, "{{nobody}}"] }\n[[stages]]').replace(
        "-1s", "1s"
    )
    assert _told(tmp_path, text)[0] == "line 8, login session: login[0].json"


@pytest.mark.parametrize("inner", ["[" * 3000 + "]" * 3000, "[{ a = " * 1500 + "1" + " }]" * 1500])
def test_brackets_that_are_nested_too_deeply_are_told_with_their_line(inner: str) -> None:
    text = f'[target]\nurl = "{URL}"\n{ROLE}loop = [{{ json = {inner} }}]\n'
    with pytest.raises(ScenarioError, match=r"chat\.toml, line 5: has brackets nested too deeply"):
        loads(text, "chat.toml", {})


def test_a_file_is_checked_for_each_client_that_presents_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    for user in ("ann", "bob"):
        (tmp_path / "certs" / f"{user}.pem").write_text("")
    (tmp_path / "users.csv").write_text("name\nann\nbob\n")
    feed = '[messages]\nfeed = "users.csv"\nfeed_per = "client"\n'
    text = LINES.partition("[[roles]]\nname")[0] + feed + ROLE + SAY
    text = text.replace("URL", "wss://127.0.0.1:9/ws").replace("\n\n", '\ncert_file = "certs/{{feed.name}}.pem"\n\n', 1)
    (tmp_path / "chat.toml").write_text(text)
    load(tmp_path / "chat.toml", {})
    (tmp_path / "certs" / "bob.pem").unlink()
    with pytest.raises(ScenarioError, match=r"target\.cert_file = .*bob\.pem.*: is not a file for client 1"):
        load(tmp_path / "chat.toml", {})


def _told(folder: Path, text: str) -> list[str]:
    """Where the problems of a file are, as the command line tells it."""
    file = folder / "chat.toml"
    file.write_text(text.replace("URL", URL))
    with pytest.raises(ScenarioError) as caught:
        load(file, {})
    told = [str(problem).removeprefix(f"{file}, ").partition(" = ")[0] for problem in caught.value.problems]
    assert all(place in str(caught.value) for place in told)
    return told


def _places(data: Any, key: Key = ()) -> Iterator[Key]:
    for name, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield (*key, name)
        yield from _places(value, (*key, name))


@pytest.mark.parametrize("path", [*PRESETS, *CASES], ids=lambda path: path.stem)
def test_each_key_of_a_preset_has_its_line(path: Path) -> None:
    text = path.read_text()
    lines, rows = lines_of(text), text.splitlines()
    for key in _places(tomllib.loads(text)):
        named = next(part for part in reversed(key) if isinstance(part, str))
        assert named in rows[lines[key] - 1] or isinstance(key[-1], int), key


def test_what_has_no_place_beside_roles_is_told() -> None:
    for head, place in (('exchange = "echo"', "messages.exchange"), ('subscribe = ["A"]', "messages.subscribe")):
        with pytest.raises(ScenarioError, match=place):
            scenario(URL, ROLE + SAY, head=head)
    with pytest.raises(ScenarioError, match=r"target\.ready"):
        scenario(URL, ROLE + SAY, more='ready = "welcome"')
    with pytest.raises(ScenarioError, match="waits for nothing"):
        scenario(URL, ROLE + 'loop = [{ send = "x" }]', every="0s")


WHOLE = """
[[roles]]
name = "member"
weight = 99
answer = [{ on = { type = "ping" }, json = { type = "pong", id = "{{message.id}}" } }]
leave = [{ json = { type = "leave" } }]
[[roles.open]]
name = "auth"
json = { type = "auth", token = "hunter2hunter2" }
expect = [{ type = "auth_ok" }, { type = "welcome", "data.items.0" = "*" }]
capture = { id = "user.id" }
[[roles.loop]]
repeat = 2
steps = [{ choose = [{ weight = 2, steps = [{ send = "{{env WSTUI_TEST_TOKEN}} {{id}}" }] }, { steps = [] }] }]
[[roles.heartbeats]]
every = "20s..30s"
json = { type = "heartbeat" }
[roles.delivery]
of = { type = "message" }
stamp = "data.sent_at"
[[roles]]
name = "announcer"
clients = 1
loop = [{ meet = "all ready" }, { file = "hello.txt" }]
"""


def test_a_scenario_with_roles_is_written_and_travels_as_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSTUI_TEST_TOKEN", "s3cret-s3cret")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.txt").write_text("hello {{env WSTUI_TEST_COLOUR:-red}}")
    made = scenario(URL, WHOLE, clients=100)
    assert loads(dumps(made), "", {}) == made
    spec = spec_of(made)
    assert decode_command(encode(spec)) == spec
    assert [role.clients for role in spec.conversation.roles.roles] == [0, 1]
    assert mask_of(made)("hunter2hunter2 and s3cret-s3cret").count("hunter2") == 0
    assert "hunter2" not in str(masked(made)) and "s3cret" not in mask_of(made)("s3cret-s3cret")
    assert "hello.txt" in sends_away(made) and "WSTUI_TEST_TOKEN" in sends_away(made)
    assert "WSTUI_TEST_COLOUR" in sends_away(made)


def test_values_in_brackets_and_tables_of_one_name_are_told_in_words() -> None:
    text = f'[target]\nurl = "{URL}"\n{ROLE}{SAY}[[roles.loop]]\nsend = "y"\n'
    with pytest.raises(ScenarioError, match=r"roles\.loop has its values in brackets already: add to those, .* line 6"):
        loads(text, "chat.toml", {})


def test_a_threshold_on_the_time_of_a_step_that_expects_nothing_is_warned_about() -> None:
    limit = '[[thresholds]]\nmetric = "step.note.{}"\nlimit = "< 1{}"\n'
    found = scenario(URL, ROLE + 'loop = [{ name = "note", send = "x" }]\n' + limit.format("p99", "s"))
    assert "step.note.p99 is never measured: the step expects nothing." in warnings(found)
    found = scenario(URL, ROLE + 'loop = [{ name = "note", send = "x" }]\n' + limit.format("count", ""))
    assert not [text for text in warnings(found) if "never measured" in text]


def test_what_is_probably_not_meant_is_told() -> None:
    roles = ROLE + (
        'loop = [{ send = "x", expect = { type = "said" } }, { think = "3s..4s" }]\n'
        'delivery = { of = { a = 1 }, stamp = "b", unit = "stamp" }\n'
    )
    roles += ROLE.replace('"a"', '"b"') + 'loop = [{ expect = { a = 1 } }, { close = true }, { think = "1s" }]'
    found = "\n".join(warnings(scenario(URL, roles, every="1s")))
    assert "roles[1].loop[2] is never reached" in found and found.count("never reached") == 1
    assert "is the same in each round" in found and "thinks for at least 3s" in found and "{{stamp}}" in found


def test_roles_survive_a_result_and_a_change_of_the_scenario() -> None:
    made = scenario(URL, ROLE + SAY, clients=5)
    assert type(made).model_validate(made.model_dump()) == made
    assert type(made).model_validate(made.model_dump(mode="json")) == made


def test_a_client_cannot_wait_in_open_until_all_are_ready() -> None:
    with pytest.raises(ScenarioError, match="waits for its own client"):
        scenario(URL, ROLE + 'open = [{ meet = "all ready" }]')
