"""Secrets do not show, wherever they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import loads
from wstui.scenario.model import Auth, Scenario, Target
from wstui.scenario.overrides import Overrides, apply
from wstui.scenario.secret_fields import mask_of, masked, secrets_of
from wstui.scenario.secrets import Masker, is_secret_header, mask_text, mask_url, secrets_in_header, secrets_in_url

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://h:3001/ws", "ws://h:3001/ws"),
        ("ws://h/ws?token=abc", "ws://h/ws?token=***"),
        ("ws://h/ws?room=1&access_token=abc&x=2", "ws://h/ws?room=1&access_token=***&x=2"),
        ("ws://h/ws?TOKEN=abc", "ws://h/ws?TOKEN=***"),
        ("ws://h/ws?api_key=a&jwt=b&sig=c", "ws://h/ws?api_key=***&jwt=***&sig=***"),
        ("ws://h/ws?token=", "ws://h/ws?token="),
        ("ws://user:pass@h/ws", "ws://***@h/ws"),
        ("ws://user:p@ss@h/ws", "ws://***@h/ws"),
        ("ws://user@h/ws", "ws://***@h/ws"),
        (f"ws://h/{JWT}/ws", "ws://h/***/ws"),
        (f"ws://h/ws?t={JWT}", "ws://h/ws?t=***"),
        ("ws://h/ws?keyboard=de&monkey=1", "ws://h/ws?keyboard=de&monkey=1"),
        ("nonsense", "nonsense"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_known_secrets_are_masked_also_when_percent_encoded() -> None:
    assert mask_text("got a/b+c and a%2Fb%2Bc", ["a/b+c", ""]) == "got *** and ***"


def test_the_longest_secret_goes_first_so_that_no_rest_of_it_shows() -> None:
    assert mask_text("abcdef", ["abc", "abcdef"]) == "***"


def test_texts_lose_what_looks_like_a_secret() -> None:
    text = mask_text(f"Authorization: Bearer s3cr3t-value, see wss://u:p@h/?token=x and {JWT}")
    assert text == "Authorization: Bearer ***, see wss://***@h/?token=*** and ***"


def test_the_words_for_a_secret_are_none() -> None:
    assert (
        mask_text("Basic authentication, Bearer token: Basic dTpw") == "Basic authentication, Bearer token: Basic ***"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Cookie", "set-cookie", "X-Api-Key", "X-Auth-Token", "api-key"),
        *("PRIVATE_KEY", "signingKey", "SERVICE_JWT", "DB_PASS", "DB_PWD", "X-Auth"),
    ],
)
def test_secret_headers_are_known_by_name(name: str) -> None:
    assert is_secret_header(name)


@pytest.mark.parametrize(
    "name", ["Accept", "User-Agent", "Origin", "X-Request-Id", "PWD", "Author", "Sec-WebSocket-Key", "primaryKey"]
)
def test_other_headers_are_shown(name: str) -> None:
    assert not is_secret_header(name)


def test_secrets_of_a_url_are_found_as_they_are_written() -> None:
    assert secrets_in_url("ws://u:p%20w@h/?token=abc&room=1") == ["abc", "p%20w"]
    assert secrets_in_url("ws://u:@h/?token=") == []


SECRETIVE = Scenario(
    target=Target(url="ws://u:hidden-1@h/ws?token=hidden-2", headers={"Cookie": "hidden-3", "Accept": "x"}),
    auth=Auth.model_validate({"kind": "jwt", "token": "hidden-4", "secret": "hidden-5"}),
)


def test_no_secret_of_a_scenario_shows_in_its_repr_or_its_masked_data() -> None:
    assert "hidden" not in repr(SECRETIVE)
    assert "hidden" not in str(masked(SECRETIVE))
    assert masked(SECRETIVE)["messages"]["every"] == "5s"
    assert masked(SECRETIVE)["target"]["headers"] == {"Cookie": "***", "Accept": "x"}


def test_every_secret_of_a_scenario_is_listed_for_masking() -> None:
    assert sorted(secrets_of(SECRETIVE)) == [f"hidden-{number}" for number in range(1, 6)]


def test_a_refused_value_does_not_show_in_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        Target(url="http://u:hidden@h/?token=hidden")
    assert "hidden" not in str(caught.value)


def test_the_value_of_a_variable_that_sounds_secret_is_masked_wherever_it_was_written() -> None:
    text = (
        'name = "to ${API_TOKEN}"\n[target]\nurl = "ws://h/?leak=${API_TOKEN}&room=${ROOM}"\n'
        'headers.X-Leak = "v1-${API_TOKEN}"\n[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n'
    )
    scenario = loads(text, environ={"API_TOKEN": "hidden-7", "ROOM": "lobby"})
    assert isinstance(scenario, Scenario)
    assert scenario.target.headers["X-Leak"] == "v1-hidden-7" and scenario.name == "to ***"
    assert secrets_of(scenario) == ["hidden-7"]
    told = str(masked(scenario))
    assert "hidden-7" not in told and "lobby" in told
    assert "hidden-7" not in str(masked(apply(scenario, {}, Overrides(clients=3))))


def test_words_that_wstui_knows_stay_whatever_a_secret_is() -> None:
    scenario = Scenario(auth=Auth.model_validate({"kind": "token", "token": "token"}))
    assert masked(scenario)["auth"] == {**masked(scenario)["auth"], "kind": "token", "token": "***"}
    assert mask_text("a bad dog", ["dog"]) == "a bad ***"


def test_the_columns_of_a_feed_that_sound_secret_are_masked(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user,password\nann,pw-hidden-1\nbob,pw-hidden-2\n")
    scenario = Scenario.model_validate({"messages": {"feed": str(tmp_path / "users.csv")}})
    assert secrets_of(scenario) == ["pw-hidden-1", "pw-hidden-2"]


NEEDED = {
    '[auth]\nkind = "basic"\nuser = "u"\npassword = "${PLAIN}"\n': "auth.password",
    '[target]\nheaders.Authorization = "Bearer ${PLAIN}"\n': "target.headers.Authorization",
    '[target]\nheaders.X-Api-Key = "${PLAIN}"\n': "target.headers.X-Api-Key",
    '[target]\nheaders.X-Leak = "v1 ${MY_TOKEN}"\n': "target.headers.X-Leak",
    '[target]\ncookies = { sid = "${PLAIN}" }\n': "target.cookies.sid",
    '[target]\nurl = "ws://h/?room=1&token=${PLAIN}"\n': "target.url",
    '[target]\nurl = "ws://u:${PLAIN}@h/"\n': "target.url",
    '[target]\nproxy = "http://u:${PLAIN}@h:1"\n': "target.proxy",
    '[[roles]]\nname = "a"\nloop = [{ send = "x{{env MY_TOKEN}}" }]\n': "roles[0].loop[0].send",
}


@pytest.mark.parametrize("written", NEEDED)
@pytest.mark.parametrize("value", ["", " \n", "\ufeff"])
def test_a_secret_that_is_empty_is_refused_unless_it_may_be(
    written: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIN", value)
    monkeypatch.setenv("MY_TOKEN", value)
    stages = '[[stages]]\nname = "hold"\nover = "9s"\nclients = 1\n'
    with pytest.raises(ScenarioError) as caught:
        loads(written + stages)
    (problem,) = caught.value.problems
    assert problem.key == NEEDED[written] and "empty" in problem.message
    monkeypatch.setenv("PLAIN", "")
    monkeypatch.setenv("MY_TOKEN", "")
    allowed = written.replace("PLAIN}", "PLAIN:-}").replace("MY_TOKEN}", "MY_TOKEN:-}")
    assert isinstance(loads(allowed + stages), Scenario)


def test_an_empty_variable_that_is_no_secret_is_fine() -> None:
    assert loads(
        '[target]\nurl = "ws://h/?room=${ROOM}"\n[[stages]]\nname = "a"\nover = "9s"\nclients = 1\n',
        environ={"ROOM": ""},
    )


def test_what_is_too_short_to_be_a_secret_is_masked_in_its_place_only() -> None:
    mask = Masker(("1", "ab", "dog"))
    for text in ("1 of 4 clients", "close 1 ab", "dogma", "authorization failed: 1", "at 1:1"):
        assert mask(text) == text
    assert mask("Bearer 1, then X-Api-Key: ab") == "Bearer ***, then X-Api-Key: ***"
    assert mask('{"password": "ab"} session=1; theme=1') == '{"password": "***"} session=***; theme=1'
    assert mask("token=1B Bearer dog, a dog") == "token=1B Bearer ***, a ***"


def test_short_values_of_cookies_are_no_secrets_unless_their_names_say_so() -> None:
    said = "theme=dark; consent=true; n=1000; sid=q7; session_id=abc123; cart=4f1d9a0c77; Max-Age=3600"
    assert secrets_in_header(said) == ["q7", "abc123", "4f1d9a0c77"]
    cookies = {"theme": "dark", "n": "1000", "cart": "4f1d9a0c77"}
    scenario = Scenario(target=Target.model_validate({"url": "ws://h/", "cookies": cookies}))
    mask = mask_of(scenario)
    assert mask("close 1000 in a dark room: cart 4f1d9a0c77, n=1000") == "close 1000 in a dark room: cart ***, ***"
    assert masked(scenario)["target"]["cookies"] == dict.fromkeys(cookies, "***")
