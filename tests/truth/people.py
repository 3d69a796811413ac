"""What people get wrong before a run: command lines, scenario files, tokens, and the files beside them."""

from __future__ import annotations

from typing import Any

from tests.truth.case import Mistake

BASE = """
[target]
url = "ws://127.0.0.1:9/x"
ready = "open"
health = "off"
{target}
[[stages]]
name = "hold"
over = "{over}"
clients = {clients}
{stage}
[messages]
exchange = "echo"
every = "{every}"
{messages}
{tables}
"""
FULL = "/dev/full"
RUN = "run t.toml --no-probe --no-store -q"
DEFAULTS = {"target": "", "over": "1s", "clients": "2", "stage": "", "every": "200ms", "messages": "", "tables": ""}


def toml(**parts: str) -> str:
    return BASE.format(**{**DEFAULTS, **parts})


def scenario(name: str, *says: str, status: int = 2, command: str = RUN, **more: Any) -> Mistake:
    """A mistake in a scenario file: `target`, `stage`, `messages` and `tables` are lines that are added to the base."""
    parts = {key: str(more.pop(key)) for key in DEFAULTS if key in more}
    return Mistake(name, command, status, says, toml(**parts), **more)


def typed(name: str, options: str, *says: str, **more: Any) -> Mistake:
    """A mistake on the command line."""
    return scenario(name, *says, command=f"{RUN} {options}", **more)


TOKEN = '[auth]\nkind = "token"\nsend_as = "{}"\ntoken = "${{AUTH_TOKEN}}"'


def token(name: str, value: str, send_as: str, *says: str, **more: Any) -> Mistake:
    return scenario(
        name,
        *(says or ("AUTH_TOKEN",)),
        tables=TOKEN.format(send_as),
        env={"AUTH_TOKEN": value},
        hides=("s3cr3t",),
        **more,
    )


CASES = [
    Mistake("a command that is none", "rnu t.toml", 2, ("Did you mean 'run'",)),
    Mistake("an option that is none", "run quick --cleints 5", 2, ("--cleints", "--clients")),
    Mistake("a preset that is none", "run quik", 2, ("quik", 'did you mean "quick"')),
    Mistake("a file that is not there", "run ./nowhere.toml", 2, ("nowhere.toml",)),
    Mistake("a folder in place of a file", "run .", 2, (".",)),
    Mistake("a file that is not TOML", "run t.toml", 2, ("t.toml", "line 2"), "[target]\nurl = ws://x\n"),
    Mistake("a file that is not UTF-8", "run t.toml", 2, ("t.toml", "UTF-8"), files={"t.toml": b'name = "\xff"\n'}),
    Mistake("an empty file", "run t.toml", 2, ("stages",), "\n"),
    scenario("a key that is none", "exchnage", "exchange", messages='exchnage = "echo"'),
    scenario("a table that is none", "mesages", tables="[mesages]"),
    scenario("a duration with a comma", "every", '"1.5s"', every="1,5s"),
    scenario("a duration without a unit", "every", every="200"),
    scenario("a duration below zero", "every", every="-1s"),
    scenario("clients that are no number", "clients", clients='"many"'),
    scenario("clients below zero", "clients", clients="-3"),
    scenario("a number of 5000 digits", "at most 10000000", clients="1" + "0" * 5000),
    scenario("a number of 5000 digits in a variable", "clients", clients='"${N}"', env={"N": "9" * 5000}),
    typed("a number of 5000 digits for the whole machine", "", "MAX_CONNECTIONS", env={"MAX_CONNECTIONS": "9" * 5000}),
    typed("a number of 5000 digits as an option", "--clients " + "9" * 5000, "--clients"),
    scenario("no clients at all", "stages", "no client", clients="0"),
    scenario(
        "a metric that is none",
        "respose.p99",
        "response.p99",
        tables='[[thresholds]]\nmetric = "respose.p99"\nlimit = "< 1s"',
    ),
    scenario("a limit that is none", "limit", tables='[[thresholds]]\nmetric = "response.p99"\nlimit = "fast"'),
    scenario("a limit in the wrong unit", "limit", tables='[[thresholds]]\nmetric = "response.p99"\nlimit = "< 5%"'),
    scenario(
        "a limit of a stage that is none",
        "stage",
        "hodl",
        tables='[[thresholds]]\nmetric = "response.p99"\nlimit = "< 5s"\nstage = "hodl"',
    ),
    scenario("an exchange that is gone", "write [[roles]]", messages="", command=f"{RUN} --exchange template"),
    scenario("templates", "a step of a role", tables='[[messages.templates]]\nname = "a"\npayload = "x"'),
    scenario(
        "a placeholder that is none",
        "{{cleint}}",
        messages="",
        tables='[[roles]]\nname = "a"\nloop = [{ send = "{{cleint}}" }]',
    ),
    scenario(
        "a feed that is not there",
        "nowhere.csv",
        messages='feed = "nowhere.csv"',
        tables='[[roles]]\nname = "a"\nloop = [{ send = "{{feed.user}}" }]',
    ),
    scenario("a variable that is not set", "NOT_SET_AT_ALL", target='origin = "${NOT_SET_AT_ALL}"'),
    typed("an URL of http", "--url http://127.0.0.1/x", "ws://"),
    typed("an URL without a host", "--url ws:///x", "ws:///x"),
    typed("an URL with a port that is none", "--url ws://127.0.0.1:99999/x", "99999"),
    typed("an URL with a fragment", "--url ws://127.0.0.1:9/x#y", "#"),
    typed("a threshold that is none", "--threshold fast", "fast"),
    typed("an authority that is not there", "--url wss://127.0.0.1:9/x --ca-file nowhere.pem", "nowhere.pem"),
    typed(
        "an authority that is no certificate",
        "--url wss://127.0.0.1:9/x --ca-file ca.pem",
        "ca.pem",
        files={"ca.pem": "hello"},
    ),
    typed("a token file that is empty", "--auth token --token-file tok", "tok", files={"tok": ""}),
    typed("a token file that is not there", "--auth token --token-file tok", "tok"),
    typed("a report over the scenario", "--csv t.toml", "t.toml"),
    typed(
        "a report over the token file",
        "--auth token --token-file tok --json tok",
        "tok",
        files={"tok": "s3cr3t-token"},
        hides=("s3cr3t",),
    ),
    typed("two reports in one file", "--csv out --json out", "out"),
    typed("a report in a folder that is not there", "--json nowhere/out.json", "nowhere"),
    scenario(
        "a report over the feed",
        "users.csv",
        messages='feed = "users.csv"',
        files={"users.csv": "user\na\n"},
        command=f"{RUN} --csv users.csv",
    ),
    scenario("a header with a line end in it", "target.headers.X-Name", target='headers = { X-Name = "a\\nb" }'),
    scenario("a header beyond Latin-1", "target.headers.X-Name", target='headers = { X-Name = "你" }'),
    scenario("an origin beyond Latin-1", "target.origin", target='origin = "你"'),
    scenario(
        "two credentials",
        "Authorization",
        target='headers = { Authorization = "Basic x" }',
        tables=TOKEN.format("header"),
        env={"AUTH_TOKEN": "abcdefgh"},
    ),
    scenario("a header that is the handshake's", "Connection", target='headers = { Connection = "close" }'),
    scenario("two headers of one name", "X-A and x-a", target='headers = { X-A = "1", x-a = "2" }'),
    token("a token with a line end within", "tok\ns3cr3t", "header"),
    token("a token with a NUL", "tok\x01s3cr3t", "header"),
    token("a token beyond Latin-1", "tok\u2028s3cr3t", "header"),
    token("a subprotocol token with a blank", "tok s3cr3t", "subprotocol"),
    scenario(
        "a plan that cannot do anything",
        "no client can be ready",
        status=0,
        command="presets validate t.toml",
        over="1ms",
    ),
    Mistake("a search with stages that miss", "run t.toml --no-probe --breakpoint-of clents", 2, ("clents",), toml()),
    Mistake("runs that are none", "runs show 999", 2, ("no run has been recorded",)),
    Mistake("a comparison of runs that are none", "runs compare 1 2", 2, ("no run has been recorded",)),
    Mistake(
        "a server beyond loopback with a short secret",
        "server --host 0.0.0.0",
        2,
        ("16 bytes",),
        env={"JWT_SECRET": "x"},
    ),
    scenario("a run, and nobody listens", "nothing listens", status=3, command="run t.toml --no-store -q"),
    scenario("a report on a full disk", "No space left on device", status=3, command=f"{RUN} --json {FULL}"),
    scenario(
        "a store on a full disk",
        "the disk is full",
        "the result is saved as",
        status=3,
        command=f"run t.toml --no-probe -q --store {FULL}",
    ),
]
