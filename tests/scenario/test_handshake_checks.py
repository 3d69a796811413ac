"""What the upgrade request can't carry is found before any connection, and its value is never shown."""

from __future__ import annotations

import pytest

from wstui.scenario.errors import BadValue, ScenarioError
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario
from wstui.scenario.proxy import parse_proxy
from wstui.scenario.url import check_websocket_url, parse_address, parse_endpoint

STAGES = '[[stages]]\nname = "s"\nover = "1s"\nclients = 1\n'


def read(text: str, **environ: str) -> Scenario:
    made = loads(STAGES + text, "x.toml", environ)
    assert isinstance(made, Scenario)
    return made


@pytest.mark.parametrize(
    ("text", "value", "key"),
    [
        ('[auth]\nkind = "token"\nsend_as = "header"\ntoken = "${V}"', "s3\r\ncr3t", "auth.token"),
        ('[auth]\nkind = "token"\nsend_as = "header"\ntoken = "${V}"', "s3cr3t\u2028x", "auth.token"),
        ('[auth]\nkind = "token"\nsend_as = "header"\ntoken = "${V}"', "s3cr3t你", "auth.token"),
        ('[auth]\nkind = "token"\nsend_as = "subprotocol"\ntoken = "${V}"', "s3cr3t cr3t", "auth.token"),
        ('[auth]\nkind = "token"\nsend_as = "subprotocol"\ntoken = "${V}"', "s3cr3t=", "auth.token"),
        ('[target]\nheaders.Authorization = "Bearer ${V}"', "s3cr3t\nx", "target.headers.Authorization"),
        ('[target]\nheaders.X-Name = "${V}"', "s3cr3t😀", "target.headers.X-Name"),
        ('[target]\norigin = "${V}"', "https://你.example", "target.origin"),
        ('[target]\nsubprotocols = ["${V}"]', "a b", "target.subprotocols[0]"),
        ('[auth]\nkind = "token"\ntoken = "${V}"', "{{feed.token}}", "auth.token"),
        ('[target]\nheaders.Cookie = "${V}"', "id={{feed.user}}", "target.headers.Cookie"),
    ],
)
def test_what_no_header_can_hold_is_named_and_not_shown(text: str, value: str, key: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(text, V=value)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert "cr3t" not in str(problem)


def test_ends_of_a_token_are_left_off_as_those_of_a_file() -> None:
    token = read('[auth]\nkind = "token"\nsend_as = "header"\ntoken = "${V}"', V="\ufeff s3cr3t\r\n").auth.token
    assert token.get_secret_value() == "s3cr3t"
    made = read('[target]\norigin = "${V}"\nheaders.Authorization = "Bearer ${V}"', V="x\n")
    assert (made.target.headers["Authorization"], made.target.origin) == ("Bearer x", "x")
    assert read('[target]\nheaders.X-Name = "Zoë"').target.headers == {"X-Name": "Zoë"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[target]\nurl = "ws://u:pw4711@h/"\nheaders.authorization = "Bearer pw4711"',
            ["user and password in target.url", "target.headers.authorization"],
        ),
        (
            '[target]\nurl = "ws://u:pw4711@h/"\n[auth]\nkind = "token"\nsend_as = "header"\ntoken = "pw4711"',
            ["user and password in target.url", "auth.send_as"],
        ),
        (
            '[target]\nheaders.AUTHORIZATION = "Bearer pw4711"\n[auth]\nkind = "jwt"\nsend_as = "header"\nsecret = "x"',
            ["target.headers.AUTHORIZATION", "auth.send_as"],
        ),
        (
            '[target]\nurl = "ws://h/?token=pw4711"\n[auth]\nkind = "token"\ntoken = "pw4711"',
            ["token= in target.url", "auth.token"],
        ),
        ('[target]\nheaders = { Cookie = "a=b", cookie = "c=d" }', ["Cookie and cookie", "target.headers"]),
        ('[target]\nsubprotocols = ["a", "b", "a"]', ["a twice"]),
        ('[target]\nheaders = { Content-Length = "1" }', ["target.headers.Content-Length"]),
        ('[target]\nurl = "ws://u%3Aser:pw@h/"', ["colon in its user name"]),
    ],
)
def test_what_would_be_sent_twice_or_not_at_all_names_both_sources(text: str, words: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    for word in words:
        assert word in str(caught.value)
    assert "pw4711" not in str(caught.value)


@pytest.mark.parametrize("host", ["☕.example", "a..b", "ä..b", "a%2Fb", "x" * 64 + ".example", "a%00b", "a\u200db"])
def test_a_host_that_no_dns_name_can_be_is_a_scenario_error(host: str) -> None:
    with pytest.raises(BadValue):
        check_websocket_url(f"ws://{host}/")


def test_hosts_are_named_as_browsers_name_them() -> None:
    for written, host in (
        ("straße.example", "xn--strae-oqa.example"),
        ("Bücher.Example.", "xn--bcher-kva.example."),
        ("ＡＢ。example", "ab.example"),
        ("[::FFFF:1.2.3.4]", "::ffff:102:304"),
        ("نامه\u200cای.example", "xn--mgba3gch31f060k.example"),  # a joiner where IDNA 2008 allows one
        ("क्\u200dष.example", "xn--11b2ezcw70k.example"),
    ):
        assert parse_address(f"ws://{written}/").host == host
    link_local = parse_address("ws://[fe80::1%25eth0]/")
    assert (link_local.host, link_local.node) == ("fe80::1", "fe80::1%eth0")


@pytest.mark.parametrize("place", ["[v1.x]", "[vF.a:b]", "[::1]x", "[::1]x:80", "x[::1]", "u:p@[V7.x]:80", "[1.2.3.4]"])
def test_brackets_hold_an_ipv6_address_and_nothing_else(place: str) -> None:
    for check in (lambda: check_websocket_url(f"ws://{place}/"), lambda: parse_proxy(f"http://{place}")):
        with pytest.raises(BadValue, match="IPv"):
            check()
    with pytest.raises(BadValue):
        parse_endpoint(f"{place.rpartition('@')[2]}:80")


def test_a_path_may_have_the_joiners_of_its_script() -> None:
    assert parse_address("ws://h/نامه\u200cای").path == "/%D9%86%D8%A7%D9%85%D9%87%E2%80%8C%D8%A7%DB%8C"
