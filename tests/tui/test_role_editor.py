"""Roles in the editor, by their keys: rows that fold and move, a form for each, and the file they make."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.conversations.chat import Chat
from tests.servers.web import LoginPage
from tests.tui import editing, fake, fake_store
from tests.tui.driving import shown, until
from wstui.execution.preflight.first_message import first_client
from wstui.scenario.file import dumps, loads
from wstui.scenario.model import Scenario
from wstui.tui import requests
from wstui.tui.app import WstuiApp
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.draft_reader import read
from wstui.tui.editor.editor_screen import Editor
from wstui.tui.editor.roles import edits, outline
from wstui.tui.editor.roles.dialogs import AddDialog, ItemForm, tried
from wstui.tui.editor.roles.role_tree import RoleTree
from wstui.tui.kit.toml_view import TomlView

FILE = """# The chat of the stage.
name = "chat"

[target]
url = "ws://127.0.0.1:9/chat"

[[stages]]
name = "hold"
over = "10s"
clients = 10

[messages]
every = "5s"

[[roles]]
name = "member"

# Without it the server says nothing.
[[roles.open]]
name = "auth"
json = { type = "auth", token = "good" }  # never a real one
expect = { type = "auth_ok" }

[[roles.loop]]
name = "say"
json = { type = "say", seq = "{{seq}}" }
expect = { type = "said", seq = "{{seq}}" }

[[roles.loop]]
think = "1s..2s"
"""


def scenario(text: str = FILE) -> Scenario:
    found = loads(text, "chat.toml")
    assert isinstance(found, Scenario)
    return found


@asynccontextmanager
async def editor(
    content: Scenario, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] = (120, 60), connect: Any = None
) -> AsyncIterator[tuple[WstuiApp, Pilot[Any], Editor, RoleTree]]:
    monkeypatch.setattr("wstui.tui.editor.editor_screen.this_host", lambda: editing.HOST)
    launches = fake_store.FakeLaunches()
    launcher = launches.launcher(fake_store.FakeRuns())
    app = WstuiApp(launcher=replace(launcher, connect=connect) if connect else launcher, clock=lambda: fake.NOW)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.post_message(requests.OpenEditor(content))
        await until(lambda: isinstance(app.screen, Editor) and bool(app.screen.query(RoleTree)), pilot)
        screen = app.screen
        assert isinstance(screen, Editor) and screen.form.roles is not None
        screen.form.roles.focus()
        await pilot.pause()
        yield app, pilot, screen, screen.form.roles


def rows(tree: RoleTree) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in tree.paint(100, 100)]


async def test_roles_and_steps_are_rows_that_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    async with editor(scenario(), monkeypatch) as (app, pilot, _, tree):
        assert rows(tree) == [
            "▾ member  weight 1",
            "  ▾ open  until it is ready",
            '      ⇄ auth  → { type = "auth", token = "good" }  ← { type = "auth_ok" }',
            "  ▾ loop  each round",
            '      ⇄ say  → { type = "say", seq = "{{seq}}" }  ← { type = "said", seq = "{{seq}}" }',
            "      … think  1s..2s",
            "    leave before it closes: nothing",
        ]
        await pilot.press("down", "left")
        await until(lambda: rows(tree)[1:3] == ["  ▸ open  until it is ready", "  ▾ loop  each round"], pilot)
        await pilot.press("up", "right")
        await until(lambda: rows(tree) == ["▸ member  weight 1"], pilot)
        await pilot.press("down")
        await until(lambda: app.focused is not tree, pilot)


async def test_keys_add_duplicate_move_and_take_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with editor(scenario(), monkeypatch) as (app, pilot, screen, tree):
        text = shown(app)
        assert "d Duplicate" in text and "^n Add" in text and "^t Take out" in text
        await pilot.press("down", "down", "down", "down", "d")
        await until(lambda: tree.place == ("roles", 0, "loop", 1), pilot)
        assert [step.get("name") for step in tree.conversation["roles"][0]["loop"]] == ["say", "say-2", None]
        await pilot.press("ctrl+down")
        await until(lambda: tree.place == ("roles", 0, "loop", 2), pilot)
        await pilot.press("ctrl+down")
        await until(lambda: tree.place == ("roles", 0, "leave", 0), pilot)
        await pilot.press("ctrl+t")
        await until(lambda: tree.conversation["roles"][0]["leave"] == [], pilot)
        await pilot.press("ctrl+n")
        await until(lambda: isinstance(app.screen, AddDialog), pilot)
        assert "let time pass" in shown(app) and "heartbeats" in shown(app)
        await pilot.press("down", "down", "down", "enter")
        await until(lambda: tree.conversation["roles"][0]["leave"] == [{"think": "1s..4s"}], pilot)
        assert screen._draft.changed and screen._reading.scenario is not None


async def test_a_step_has_a_form_whose_mistakes_stand_beside_their_field(monkeypatch: pytest.MonkeyPatch) -> None:
    async with editor(scenario(), monkeypatch) as (app, pilot, screen, tree):
        screen.preview.messages = ['{"type":"said","seq":4}', '{"type":"auth_ok","user":{"id":7}}']
        await pilot.press("down", "down", "enter")
        await until(lambda: isinstance(app.screen, ItemForm), pilot)
        expect = app.screen.query_one("#input-expect", Input)
        assert expect.value == '{ type = "auth_ok" }'
        await until(lambda: "✓ matches 1 of the last 2 messages" in shown(app), pilot)
        expect.value = 'type = "nope"'
        await until(lambda: "▲ matches none of the last 2 messages" in shown(app), pilot)
        expect.value = "{ type = "
        await until(lambda: "✗ is not TOML in one line" in shown(app), pilot)
        expect.value = 'type = "auth_ok"'
        app.screen.query_one("#input-capture", Input).value = 'user_id = "user.id"'
        app.screen.query_one("#input-within", Input).value = "5 bananas"
        await pilot.press("enter")
        await until(lambda: "✗" in shown(app) and isinstance(app.screen, ItemForm), pilot)
        app.screen.query_one("#input-within", Input).value = "5s"
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor) and bool(app.screen.query(RoleTree)), pilot)
        made = screen._reading.scenario
        assert made is not None and made.roles[0].open[0].capture == {"user_id": "user.id"}
        assert made.roles[0].open[0].within == 5.0
        assert tree.place == ("roles", 0, "open", 0)


async def test_a_mistake_stands_in_the_row_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    async with editor(scenario(), monkeypatch) as (app, pilot, _, tree):
        tree.conversation["roles"][0]["loop"][0]["json"] = {"type": "{{nobody}}"}
        tree.change(("roles", 0, "loop", 0))
        await until(lambda: any("✗ ⇄ say" in row for row in rows(tree)), pilot)
        await pilot.press("home", "ctrl+r")
        await until(lambda: "Fix 1 error first" in shown(app) and app.focused is tree, pilot)
        assert tree.place == ("roles", 0, "loop", 0)


async def test_a_new_scenario_begins_a_conversation_with_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    from wstui.scenario.fresh import fresh

    async with editor(fresh(), monkeypatch) as (app, pilot, screen, tree):
        assert "+ roles, instead of an exchange" in rows(tree)[0]
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, AddDialog), pilot)
        await pilot.press("enter")
        await until(lambda: len(rows(tree)) == 7, pilot)
        await until(lambda: screen._draft.texts["messages", "exchange"] == "roles", pilot)
        await until(lambda: screen._reading.scenario is not None, pilot)
        written = tomllib.loads(dumps(screen._reading.content))  # type: ignore[arg-type]
        assert written["roles"][0]["open"][0]["name"] == "login" and written["roles"][0]["loop"][1] == {
            "think": "1s..4s"
        }


async def test_one_client_is_shown_message_by_message_and_matchers_are_tried_on_what_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Chat() as server:
        text = FILE.replace("ws://127.0.0.1:9/chat", server.url).replace('every = "5s"', 'every = "100ms"')
        text = text.replace(
            '"auth_ok" }\n', '"auth_ok" }\ncapture = { user_id = "user.id", user_token = "user.name" }\n'
        )
        content = scenario(text.replace('[[roles.loop]]\nthink = "1s..2s"\n', ""))
        async with editor(content, monkeypatch, connect=first_client) as (app, pilot, screen, tree):
            await pilot.press("ctrl+d")
            await until(lambda: "✓ all the way" in shown(app) and "✓ say: " in shown(app), pilot)
            told = shown(app)
            assert '→ auth  {"type":"auth","token":"***"}' in told and '→ say  {"type":"say","seq":2}' in told
            assert '✓ auth: type = "auth_ok"' in told and "user_id = 100" in told
            assert '← {"type":"said"' in told and "✓ say: " in told
            assert "user 100" not in told and "user_token = ***" in told, "what sounds like a secret is not shown"
            tree.focus()
            tree.go_to(("roles", 0, "loop", 0))
            await pilot.press("enter")
            count = len(screen.preview.messages)  # auth_ok, and the answer of each round: there may be time for several
            assert count >= 2
            await until(lambda: f"✓ matches {count - 1} of the last {count} messages" in shown(app), pilot)


LOGIN = """
[[login]]
name = "token"
post = "http://127.0.0.1:9/login"
json = { user = "u{{client}}" }
capture = { token = "token" }

[[login]]
get = "http://127.0.0.1:9/me"
headers = { Authorization = "Bearer {{token}}" }
"""


async def test_requests_of_a_login_are_rows_that_fold_move_and_have_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    async with editor(scenario(FILE + LOGIN), monkeypatch) as (app, pilot, screen, tree):
        token = '    ⇅ token  POST http://127.0.0.1:9/login  → { user = "u{{client}}" }  captures token'
        me = "    ⇅ login  GET http://127.0.0.1:9/me"
        assert rows(tree)[:4] == ["▾ login by HTTP, before it connects", token, me, "▾ member  weight 1"]
        await pilot.press("left")
        await until(lambda: rows(tree)[:2] == ["▸ login by HTTP, before it connects", "▾ member  weight 1"], pilot)
        await pilot.press("right", "down", "ctrl+down")
        await until(lambda: any("✗ ⇅ login  GET" in row for row in rows(tree)), pilot)  # it needs the token
        assert tree.place == ("login", 1)
        await pilot.press("ctrl+up", "d", "ctrl+t", "ctrl+n")
        await until(lambda: isinstance(app.screen, AddDialog), pilot)
        await pilot.press("enter")
        await until(
            lambda: [request.get("name") for request in tree.conversation["login"]] == ["token", None, "session"], pilot
        )
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ItemForm), pilot)

        def put(name: str, text: str) -> None:
            app.screen.query_one(f"#input-{name}", Input).value = text

        assert app.screen.query_one("#input-method", Input).value == "post"
        put("method", "fetch")
        await until(lambda: "✗ is one of get, post, put, patch, delete" in shown(app), pilot)
        put("method", "put")
        put("url", "ws://127.0.0.1:9/rooms")
        put("json", "")
        put("form", 'room = "r{{client}}"')
        put("headers", 'X-Key = "k"')
        put("expect", "status = 201")
        put("capture", 'room = "data.room"')
        await pilot.press("enter")
        await until(lambda: 'did you mean "http://127.0.0.1:9/rooms"' in shown(app), pilot)
        assert app.focused is app.screen.query_one("#input-url", Input)
        put("url", "http://127.0.0.1:9/rooms")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        made = screen._reading.scenario
        assert made is not None
        assert made.login[2].model_dump(exclude_unset=True, mode="json") == {
            "name": "session", "put": "http://127.0.0.1:9/rooms", "form": {"room": "r{{client}}"},
            "headers": {"X-Key": "k"}, "expect": {"status": 201}, "capture": {"room": "data.room"},
        }  # fmt: skip
        toml = screen.preview.query_one(TomlView)
        await until(lambda: any(("put", "accent") in line for line in toml.paint(80, 99)), pilot)


async def test_a_step_by_http_has_a_form_of_its_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with editor(scenario(), monkeypatch) as (app, pilot, screen, tree):
        tree.change(edits.add(tree.conversation, ("roles", 0, "loop", 0), "http"))
        await until(lambda: any("⇅ http  POST http://localhost:8080/login" in row for row in rows(tree)), pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ItemForm), pilot)
        for name, text in (
            ("name", "post"), ("url", "http://127.0.0.1:9/{{client}}"),
            ("json", 'text = "hi"'), ("expect", "status = 99"),
        ):  # fmt: skip
            app.screen.query_one(f"#input-{name}", Input).value = text
        await pilot.press("enter")
        await until(lambda: "✗ has a status that is not one" in shown(app), pilot)
        assert app.focused is app.screen.query_one("#input-expect", Input)
        app.screen.query_one("#input-expect", Input).value = ""
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Editor), pilot)
        made = screen._reading.scenario
        assert made is not None, screen._reading.wrong
        step = made.roles[0].loop[1]
        assert step.http is not None and (step.http.method, step.http.json) == ("post", {"text": "hi"})
        assert step.name == "post" and tree.conversation["roles"][0]["loop"][1]["http"]["post"].endswith("/{{client}}")


async def test_one_client_is_shown_with_its_login_and_with_what_was_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LoginPage() as web, Chat(token="t-secret-secret", lose=frozenset(range(1, 99))) as server:
        text = FILE.replace("ws://127.0.0.1:9/chat", server.url).replace('every = "5s"', 'every = "100ms"')
        text = text.replace('token = "good"', 'token = "{{token}}"').replace(
            '"{{seq}}" }\n\n', '"{{seq}}" }\nwithin = "60ms"\n\n'
        )
        login = f'[[login]]\nname = "session"\npost = "{web.url}/login"\njson = {{ user = "u" }}\n'
        login += 'capture = { token = "token", plan = "plan" }\n'
        async with editor(scenario(text + login), monkeypatch, (140, 60), connect=first_client) as (app, pilot, _, _):
            await pilot.press("ctrl+d")
            await until(lambda: "✗ did not get through" in shown(app) and "no reply within 60ms" in shown(app), pilot)
            told = shown(app)
        order = [
            "→ login, session: POST /login", "← login, session: HTTP 200", "token = ***", "plan = gold",
            '→ auth  {"type":"auth","token":"***"}', '✓ auth: type = "auth_ok"', '→ say  {"type":"say","seq":2}',
            "← ✗ member, say: no reply within 60ms",
        ]  # fmt: skip
        places = [told.find(words) for words in order]
        assert -1 not in places and places == sorted(places), (places, told)
        assert "t-secret" not in told and "say" in told.partition("✗ did not")[2]


def test_comments_of_the_file_stay_where_they_are() -> None:
    draft = Draft(scenario())
    draft.conversation["roles"][0]["open"][0]["within"] = "3s"
    edits.move(draft.conversation, ("roles", 0, "loop", 1), -1)
    edits.add(draft.conversation, ("roles", 0, "loop", 0), "close")
    made = read(draft)
    assert made.content is not None, made.wrong
    text = dumps(made.content)
    for comment in ("# The chat of the stage.", "# Without it the server says nothing.", "# never a real one"):
        assert comment in text
    again = loads(text, "", {})
    assert isinstance(again, Scenario) and again.roles == made.content.roles  # type: ignore[union-attr]
    assert [outline.step_kind(step) for step in outline.conversation_in(again)["roles"][0]["loop"]] == [
        "think",
        "close",
        "ask",
    ]


def test_what_is_not_touched_stays_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted((Path(__file__).parents[1] / "conversations" / "cases").glob("*.toml")):
        found = loads(path.read_text(), str(path))
        draft = Draft(found)
        made = read(draft)
        assert made.content == found, (path, made.wrong)
        written, before = (
            [
                line for line in text.splitlines() if not line.startswith(("url", "headers"))
            ]  # a token is not written out
            for text in (dumps(made.content), path.read_text())
        )
        assert written == before and not draft.changed


def test_a_reference_in_a_step_moves_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "hello")
    draft = Draft(scenario(FILE.replace('think = "1s..2s"', 'json = { type = "${WORD}" }')))
    assert draft.conversation["roles"][0]["loop"][1]["json"] == {"type": "${WORD}"}
    edits.move(draft.conversation, ("roles", 0, "loop", 1), -1)
    made = read(draft)
    assert made.scenario is not None and made.scenario.roles[0].loop[0].json == {"type": "hello"}
    assert '"${WORD}"' in dumps(made.scenario) and '"hello"' not in dumps(made.scenario)


def test_a_secret_of_the_login_is_never_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_PASSWORD", "s3cret-of-the-login")
    login = '\n[[login]]\npost = "http://127.0.0.1:9/login"\njson = { password = "${CHAT_PASSWORD}" }\n'
    draft = Draft(scenario(FILE + login))
    edits.move(draft.conversation, ("roles", 0, "loop", 1), -1)
    made = read(draft)
    assert made.scenario is not None and "${CHAT_PASSWORD}" in dumps(made.scenario)
    assert "s3cret" not in dumps(made.scenario)


@pytest.mark.parametrize("kind", [*outline.STEPS, *outline.NEW_RULES, "role", "conversation", "login"])
def test_whatever_is_added_can_be_run_as_it_is(kind: str) -> None:
    draft = Draft(scenario())
    place = edits.add(draft.conversation, ("roles", 0, "loop", 0), kind)
    assert any(entry.place == place for entry in outline.outline(draft.conversation, set()))
    wrong = {key: text for key, text in read(draft).wrong.items() if "names" not in text}
    assert not wrong, wrong


@pytest.mark.parametrize(
    ("matcher", "words"),
    [
        ({"type": "said", "seq": "{{seq}}"}, "✓ matches 1 of the last 3"),
        ({"data.0.id": 7}, "✓ matches 1 of the last 3"),
        ({"body.ok": True}, "✓ matches 1 of the last 3"),
        ([{"type": "said"}, {"contains": "data"}], "✓ matches 2 of the last 3"),
        ({"type": "other"}, "▲ matches none of the last 3"),
    ],
)
def test_a_matcher_is_tried_on_what_a_client_received(matcher: Any, words: str) -> None:
    received = ['{"type":"said","seq":3}', '{"data":[{"id":7}]}', '{"body":"{\\"ok\\":true}"}']
    assert tried(matcher, received).startswith(words)
