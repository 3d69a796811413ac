"""HTTP requests whose answers a client needs become [[login]], with captures where they are sent."""

from __future__ import annotations

from tests.recording.talks import Talk, guessed, request

TOKEN = "eyJhbGciOi.eyJzdWIiOjF9.c2lnbmF0dXJl"


def test_a_token_of_a_login_is_captured_for_the_url_a_header_and_a_message() -> None:
    login = request(
        "http://127.0.0.1:9/api/login", {"data": {"token": TOKEN}, "user": {"id": 47110}}, -3,
        {"email": "ann@a.example", "password": "pass-word-1"},
    )  # fmt: skip
    me = request("http://127.0.0.1:9/api/me?full=1", {"room": "room-4711"}, -2)
    me.headers = [("Authorization", f"Bearer {TOKEN}"), ("User-Agent", "x")]
    other = request("http://127.0.0.1:9/api/ads", {"ad": "buy-4711"}, -1)
    talk = Talk(f"ws://127.0.0.1:9/ws?token={TOKEN}")
    talk.connection.request = [("X-Auth", TOKEN)]
    talk.sent({"type": "join", "room": "room-4711", "user": 47110}).came({"type": "joined"})
    draft, made = guessed(talk, requests=[login, me, other])
    first, second = made.login
    assert first.post == "http://127.0.0.1:9/api/login" and first.name == "session"
    assert first.capture == {"token": "data.token", "user_id": "user.id"}
    assert draft.tables["login"][0]["json"] == {"email": "{{feed.email}}", "password": "${PASSWORD}"}
    assert second.get == "http://127.0.0.1:9/api/me?full=1" and second.capture == {"room": "room"}
    assert second.headers == {"Authorization": "Bearer {{token}}"}
    assert made.target.url == "ws://127.0.0.1:9/ws?token={{token}}" and made.target.headers == {"X-Auth": "{{token}}"}
    assert made.roles[0].open[0].json == {"type": "join", "room": "{{room}}", "user": "{{user_id}}"}
    assert TOKEN not in draft.text() and draft.secrets == {"PASSWORD": "pass-word-1"}


def test_cookies_of_a_login_are_kept_and_a_form_has_the_token_of_its_page() -> None:
    page = request("http://127.0.0.1:9/login", '<form>\n<input name="csrf" value="a1b2c3d4e5"></form>', -4)
    page.answer = [("Set-Cookie", "seen=first-1; Path=/")]
    login = request("http://127.0.0.1:9/login", "", -3, "user=ann&password=pass-word-1&csrf=a1b2c3d4e5")
    login.headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Cookie", "seen=first-1")]
    login.answer, login.status = [("Set-Cookie", "sid=session-1; HttpOnly"), ("Location", "/")], 302
    talk = Talk(Cookie="sid=session-1; theme=dark")
    _, made = guessed(talk.sent({"type": "hello"}), requests=[page, login])
    first, second = made.login
    assert first.get == "http://127.0.0.1:9/login" and list(first.capture.values()) == [
        r'regex:nput\ name="csrf"\ value="([^"]+)'
    ]
    (variable,) = first.capture
    assert second.form == {"user": "{{feed.user}}", "password": "pass-word-1", "csrf": f"{{{{{variable}}}}}"}
    assert made.target.cookies == {"theme": "dark"}, "the session's own comes from the login"


def test_clients_with_logins_of_their_own_share_one_and_its_values_are_columns() -> None:
    talks, requests = [], []
    for number, name in enumerate(("ann", "bob"), 1):
        token = f"token-of-{name}-{number * 1000}"
        requests.append(request("http://127.0.0.1:9/in", {"t": token}, -number, {"user": name, "pin": f"p-{number}"}))
        talks.append(Talk(number=number).sent({"type": "auth", "token": token}).came({"type": "ok"}))
    draft, made = guessed(*talks, requests=requests)
    (login,) = made.login
    assert login.json == {"user": "{{feed.user}}", "pin": "p-{{client}}"} or "feed.pin" in str(login.json)
    assert login.capture == {"t": "t"} and made.roles[0].open[0].json == {"type": "auth", "token": "{{t}}"}
    assert draft.columns["user"] == {0: "ann", 1: "bob"} and not draft.secrets


def test_a_login_whose_cookie_the_browser_left_out_is_kept_for_its_password() -> None:
    login = request("http://127.0.0.1:9/in", {"ok": True}, -3, {"user": "ann", "password": "pass-word-1"})
    page = request("http://127.0.0.1:9/", "<html>", -4)
    _, made = guessed(Talk().sent({"type": "hello"}), requests=[page, login])
    assert [one.post for one in made.login] == ["http://127.0.0.1:9/in"]
