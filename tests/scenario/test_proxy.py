"""Which proxy a target is reached by: what scenario, flags and environment say, and what of it makes no sense."""

from __future__ import annotations

import pytest

from wstui.execution.run.target.endpoint_poller import base_of
from wstui.scenario.checks import check, warnings
from wstui.scenario.errors import BadValue, ScenarioError
from wstui.scenario.model import Scenario, Stage, Target
from wstui.scenario.overrides import Overrides, apply
from wstui.scenario.proxy import check_proxy, exempt_by, parse_proxy
from wstui.scenario.route import route_of
from wstui.scenario.secret_fields import keeps_secrets, masked, saved, secrets_of
from wstui.scenario.url import check_connect_to, check_target_url, split_unix

P, Q = "http://127.0.0.1:3128", "socks5h://127.0.0.1:1080"


def scenario(url: str = "wss://a.shop.example/ws", **target: object) -> Scenario:
    target = {"url": url, **target}
    return Scenario(target=Target.model_validate(target), stages=[Stage(name="all", over=1.0, clients=1)])


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("wss://h/", {}, ""),
        ("wss://h/", {"HTTPS_PROXY": P}, "HTTPS_PROXY"),
        ("wss://h/", {"HTTPS_PROXY": P, "https_proxy": Q}, "https_proxy"),
        ("wss://h/", {"HTTPS_PROXY": P, "https_proxy": ""}, ""),
        ("wss://h/", {"HTTP_PROXY": P}, ""),
        ("wss://h/", {"WSS_PROXY": Q, "HTTPS_PROXY": P}, "WSS_PROXY"),
        ("wss://h/", {"ALL_PROXY": Q}, "ALL_PROXY"),
        ("ws://h/", {"ALL_PROXY": Q, "HTTP_PROXY": P}, "HTTP_PROXY"),
        ("ws://h/", {"http_proxy": "127.0.0.1:3128"}, "http_proxy"),
        ("ws://h/", {"HTTPS_PROXY": P}, ""),
        ("ws://h/", {"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, ""),
        ("ws://127.0.0.1/", {"HTTP_PROXY": P}, "HTTP_PROXY"),
        ("ws+unix:/run/x:/", {"HTTP_PROXY": P, "ALL_PROXY": P}, ""),
    ],
)
def test_the_environment_names_a_proxy_by_scheme(url: str, environ: dict[str, str], expected: str) -> None:
    route = route_of(scenario(url), environ)
    assert route.source == expected and (route.proxy is not None) == bool(expected)


@pytest.mark.parametrize(
    ("url", "listed", "exempt"),
    [
        ("ws://a.shop.example/", "shop.example", True),
        ("ws://a.shop.example/", ".shop.example", True),
        ("ws://a.shop.example/", "*.shop.example", True),
        ("ws://A.Shop.Example/", "a.shop.EXAMPLE", True),
        ("ws://myshop.example/", "shop.example", False),
        ("ws://a.shop.example/", "other, x , *", True),
        ("ws://a.shop.example:81/", "shop.example:81", True),
        ("ws://a.shop.example:82/", "shop.example:81", False),
        ("wss://a.shop.example/", "shop.example:443", True),
        ("ws://10.1.2.3/", "10.0.0.0/8", True),
        ("ws://11.1.2.3/", "10.0.0.0/8", False),
        ("ws://10.1.2.3/", "10.1.2.3", True),
        ("ws://110.1.2.3/", "10.1.2.3", False),
        ("ws://[::1]:9/", "::1", True),
        ("ws://[::1]:9/", "[::1]:9", True),
        ("ws://[::1]:9/", "[::1]:8", False),
        ("ws://[fd00::5]/", "fd00::/8", True),
        ("ws://localhost/", "127.0.0.1", False),
    ],
)
def test_no_proxy_exempts_names_addresses_and_networks(url: str, listed: str, exempt: bool) -> None:
    route = route_of(scenario(url), {"ALL_PROXY": P, "NO_PROXY": listed})
    assert (route.proxy is None) == exempt == ("NO_PROXY" in route.shown)
    # What is asked for by name is not exempted.
    assert route_of(scenario(url, proxy=P), {"NO_PROXY": "*"}).proxy is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("ftp://h:1", "is not a proxy that wstui speaks to"),
        ("socks4://h:1", "socks5"),
        ("htp://h:1", 'did you mean "http"'),
        ("envv", 'did you mean "env"'),
        ("http://h:0", "port 0"),
        ("http://h:99999", "not a valid URL"),
        ("http://h:1/path", "a path"),
        ("http://h 1", "a blank"),
        ("http://a%3Ab:secret@h:1", "a colon"),
        ("socks5://secret@h:1", "a user and a password"),
        ("socks5://u:p%C3%A4secret@h:1", "beyond ASCII"),
        ("http://u:secret%0A@h:1", "control character"),
    ],
)
def test_what_names_no_proxy_is_said_without_its_secret(text: str, words: str) -> None:
    with pytest.raises(BadValue, match=words.replace("?", r"\?")) as error:
        check_proxy(text)
    assert "secret" not in str(error.value)
    with pytest.raises(ScenarioError) as problem:
        apply(scenario(), {}, Overrides(proxy=text or " "))
    assert "--proxy" in str(problem.value) and "secret" not in str(problem.value)


def test_a_proxy_without_a_scheme_is_an_http_one_and_its_parts_are_decoded() -> None:
    assert check_proxy(" us%20er:p%40ss@h:8080 ") == "http://us%20er:p%40ss@h:8080"
    proxy = parse_proxy("us%20er:p%40ss@h:8080")
    assert (proxy.scheme, proxy.host, proxy.port, proxy.user, proxy.password) == ("http", "h", 8080, "us er", "p@ss")
    assert parse_proxy(proxy.url) == proxy and proxy.shown == "http://***@h:8080"
    assert [parse_proxy(f"{s}://h").port for s in ("http", "https", "socks5", "socks5h", "socks")] == [
        80,
        443,
        1080,
        1080,
        1080,
    ]
    assert (check_proxy("OFF"), check_proxy("none"), check_proxy("env")) == ("off", "off", "env")


def test_a_variable_that_names_no_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://user:secret@h:1")
    with pytest.raises(ScenarioError) as error:
        check(scenario())
    assert "HTTPS_PROXY" in str(error.value) and "secret" not in str(error.value)
    check(scenario(proxy="off"))
    check(scenario("ws://h/"))


def test_the_credentials_of_a_proxy_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    known = scenario(proxy="http://me:p%40ss@h:1")
    assert {"p@ss", "p%40ss", "bWU6cEBzcw=="} <= set(secrets_of(known))
    assert "p%40ss" not in str(masked(known)) and "p%40ss" not in repr(known)
    monkeypatch.setenv("ALL_PROXY", "socks5://me:other@h:1")
    assert "other" in secrets_of(scenario())
    key = ("target", "proxy")
    assert not keeps_secrets(key, "me:pw@h:1") and keeps_secrets(key, "http://h:1") and keeps_secrets(key, "env")
    assert saved(key, "http://me:pw@h:1") == "http://me:${PROXY_PASSWORD:-}@h:1"


def test_a_unix_socket_has_a_path_and_a_request() -> None:
    assert split_unix("ws+unix:/run/app.sock:/ws?x=1:2") == ("/run/app.sock", "/ws?x=1:2")
    assert split_unix("ws+unix:///run/app.sock") == ("/run/app.sock", "/")
    for url, words in {
        "ws+unix:app.sock": "absolute",
        "wss+unix:/run/app.sock": "encrypted",
        "ws+unix:/" + "x" * 120: "107",
        "ws+unix:/run/app.sock:/#x": "fragment",
    }.items():
        with pytest.raises(BadValue, match=words):
            check_target_url(url)


@pytest.mark.parametrize("text", ["h", "h:", ":1", "h:0", "h:x", "::1:80", "http://h:1", "u@h:1", "h:1/x", "h h:1"])
def test_an_address_to_connect_to_is_a_host_and_a_port(text: str) -> None:
    with pytest.raises(BadValue):
        check_connect_to(text)
    assert check_connect_to("[::1]:80") == "[::1]:80"


def test_what_contradicts_itself_is_named() -> None:
    for settings, key in (
        ({"url": "ws+unix:/run/x:/", "proxy": P}, "target.proxy"),
        ({"url": "ws+unix:/run/x:/", "connect_to": "h:1"}, "target.connect_to"),
        ({"ping_timeout": "5s"}, "target.ping_timeout"),
        ({"type_field": "a..b"}, "target.type_field"),
    ):
        with pytest.raises((ScenarioError, ValueError)) as error:
            check(scenario(**settings))
        assert key in str(error.value) or "type_field" in str(error.value)


def test_what_has_no_effect_is_said() -> None:
    for settings, words in (
        ({"url": "ws://127.0.0.1/", "spread_addresses": True}, "spread_addresses"),
        ({"spread_addresses": True, "proxy": P}, "the proxy looks the name up"),
        ({"url": "ws+unix:/run/x:/", "insecure": True}, "target.insecure has no effect"),
    ):
        assert any(words in text for text in warnings(scenario(**settings))), settings  # type: ignore[arg-type]
    assert not [text for text in warnings(scenario(spread_addresses=True, proxy="socks5://h:1")) if "spread" in text]


def test_flags_say_the_same() -> None:
    flags = Overrides(proxy=Q, connect_to="h:1", spread_addresses=True, ping_every="20s", type_field="event")
    target = apply(scenario(), {}, flags).target
    assert (target.proxy, target.connect_to, target.spread_addresses) == (Q, "h:1", True)
    assert (target.ping_every, target.type_field) == (20.0, "event")


def test_a_flag_takes_its_password_from_the_environment() -> None:
    environ = {"PROXY_PASSWORD": "hunter2pass", "WS_TOKEN": "t0psecrettoken"}
    flags = Overrides(proxy="http://me:${PROXY_PASSWORD}@h:3128", url="ws://h/ws?token=${WS_TOKEN}")
    made = apply(scenario(), environ, flags)
    assert made.target.proxy == "http://me:hunter2pass@h:3128" and made.target.url == "ws://h/ws?token=t0psecrettoken"
    assert not [secret for secret in environ.values() if secret in str(masked(made))]
    assert made.origin.references["target", "proxy"].raw == flags.proxy  # what is saved
    with pytest.raises(ScenarioError, match="--proxy: PROXY_PASSWORD is not set"):
        apply(scenario(), {}, Overrides(proxy=flags.proxy))
    with pytest.raises(ScenarioError) as error:
        apply(scenario(), environ, Overrides(proxy="htp://me:${PROXY_PASSWORD}@h:3128"))
    assert "command line: --proxy" in str(error.value) and "hunter2pass" not in str(error.value)


def test_names_beyond_ascii_and_zones_are_connected_to_as_they_are_on_the_wire() -> None:
    way = route_of(scenario(url="ws://Bücher.example/ws"), {})
    assert (way.host, way.port) == ("xn--bcher-kva.example", 80)
    assert route_of(scenario(url="ws://[fe80::1%25lo]:81/"), {}).first_hop == ("fe80::1%lo", 81)
    assert route_of(scenario(connect_to="straße.example:9"), {}).first_hop == ("xn--strae-oqa.example", 9)
    assert route_of(scenario(proxy="socks5h://bücher.example"), {}).first_hop == ("xn--bcher-kva.example", 1080)
    assert exempt_by("xn--bcher-kva.example", 80, {"NO_PROXY": "bücher.example"}) == "bücher.example"
    with pytest.raises(BadValue):
        check_connect_to("a..b:80")
    assert base_of("ws://Bücher.example/ws", "auto") == "http://xn--bcher-kva.example:80"
    assert base_of("WSS://[fe80::1%25lo]/ws", "auto") == "https://[fe80::1%lo]:443"
    assert base_of("ws://h/", "https://bücher.example:81/api/") == "https://xn--bcher-kva.example:81/api"
