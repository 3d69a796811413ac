"""A page that logs in by HTTP and chats, in a real browser: its HAR, and the same through the proxy, become runs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.conversations.test_roles import counts
from tests.load.leading import led
from tests.protocols.serving import served, web
from tests.recording.test_record import recording
from tests.servers.server import until
from wstui.recording.inference.infer import infer
from wstui.recording.proof import prove
from wstui.recording.session import RecordedSession
from wstui.recording.sources import read_session, save
from wstui.scenario.file import load
from wstui.scenario.model import Scenario

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
CLIENTS = 50
WATCHES = """import("devtools://devtools/bundled/core/sdk/sdk.js").then(
  ({TargetManager}) => TargetManager.TargetManager.instance().targets().length > 0)"""
SAVE = """async () => {
  const {NetworkLog} = await import("devtools://devtools/bundled/models/logs/logs.js");
  const {Writer} = await import("devtools://devtools/bundled/models/har/har.js");
  const requests = NetworkLog.NetworkLog.instance().requests();
  const progress = {canceled: false, isCanceled: () => false, createSubProgress: () => progress,
                    setTitle() {}, setTotalWork() {}, setWorked() {}, incrementWorked() {}, done() {}};
  return Writer.Writer.harStringForRequests(requests, {sanitize: false}, progress);
}"""
"""What "Save all as HAR with content" does."""
PAGE = """<!doctype html><title>wait</title><script>
const pause = time => new Promise(done => setTimeout(done, time));
(async () => {
  const body = JSON.stringify({user: "ann", password: "correct horse"});
  const answer = await fetch("/login", {method: "POST", headers: {"content-type": "application/json"}, body});
  const {access_token} = await answer.json();
  const socket = new WebSocket(`ws://${location.host}/ws`);
  let heard;
  const ask = message => new Promise(done => { heard = done; socket.send(JSON.stringify(message)); });
  socket.onmessage = event => heard(JSON.parse(event.data));
  await new Promise(done => { socket.onopen = done; });
  const {user} = await ask({type: "auth", token: access_token});
  for (let seq = 0; seq < 4; seq++) {
    await ask({type: "say", seq, from: user.id, text: "message number " + seq});
    await pause(200);
  }
  socket.send(JSON.stringify({type: "leave"}));
  await pause(50);
  socket.close();
  document.title = "done";
})();
</script>"""


class ChatSite:
    """The page, its login, and its chat, which wants the cookie and the token of a login."""

    def __init__(self) -> None:
        self.log: Counter[str] = Counter()
        self.tokens: dict[str, str] = {}
        self.url = ""

    async def page(self, _: Any) -> Any:
        return web.Response(text=PAGE, content_type="text/html")

    async def login(self, request: Any) -> Any:
        if (await request.json())["password"] != "correct horse":
            return web.json_response({}, status=403)
        self.log["login"] += 1
        token, cookie = os.urandom(12).hex(), os.urandom(12).hex()
        self.tokens[cookie] = token
        answer = web.json_response({"access_token": token})
        answer.set_cookie("sid", cookie, httponly=True)
        return answer

    async def chat(self, request: Any) -> Any:
        wanted = self.tokens.get(request.cookies.get("sid", ""), "")
        if not wanted:
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        number = 1000 + self.log["chat"]
        self.log["chat"] += 1
        async for message in socket:
            asked = json.loads(message.data)
            self.log[asked["type"]] += 1
            if asked["type"] == "auth" and asked["token"] == wanted:
                await socket.send_json({"type": "auth_ok", "user": {"id": number}})
            elif asked["type"] == "say" and asked["from"] == number:
                await socket.send_json({"type": "said", "seq": asked["seq"]})
        return socket


@contextlib.asynccontextmanager
async def site() -> AsyncIterator[ChatSite]:
    made = ChatSite()
    app = web.Application()
    app.router.add_get("/", made.page)
    app.router.add_post("/login", made.login)
    app.router.add_get("/ws", made.chat)
    async with served(app) as made.url:
        yield made


class Browser:
    """One page of a browser, and its developer tools."""

    def __init__(self, connection: ClientConnection, port: int) -> None:
        self._connection, self._port = connection, port
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._page, self._tools = "", ""
        self._numbers = itertools.count(1)
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message.get("result", {}))

    async def ask(self, method: str, session: str = "", **params: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        answer = self._answers[number]
        to = {"sessionId": session} if session else {}
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params} | to))
        return await asyncio.wait_for(answer, 30)

    async def visit(self, url: str) -> None:
        """Open a page of its own with the developer tools beside it, and wait until its script is done."""
        page = (await self.ask("Target.createTarget", url="about:blank"))["targetId"]
        tools = f"devtools://devtools/bundled/devtools_app.html?ws=127.0.0.1:{self._port}/devtools/page/{page}"
        self._tools = await self._attach((await self.ask("Target.createTarget", url=tools))["targetId"])
        self._page = await self._attach(page)
        await self._until(self._tools, WATCHES, True)
        await self.ask("Page.navigate", session=self._page, url=url)
        await self._until(self._page, "document.title", "done")

    async def _attach(self, target: str) -> str:
        session: str = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        return session

    async def _until(self, session: str, script: str, wanted: Any) -> None:
        for _ in range(600):
            if await self.evaluate(session, script) == wanted:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{script} is not {wanted}")

    async def evaluate(self, session: str, script: str) -> Any:
        found = await self.ask(
            "Runtime.evaluate", session=session, expression=script, awaitPromise=True, returnByValue=True
        )
        return found["result"].get("value")

    async def har(self) -> str:
        """The log of the network as the developer tools save it."""
        await self._until(self._tools, f"({SAVE})().then(har => har.includes('\\\\\"leave'))", True)
        return str(await self.evaluate(self._tools, f"({SAVE})()"))


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    assert CHROMIUM is not None
    flags = [
        "--headless",
        "--remote-allow-origins=*",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-dev-shm-usage",
    ]
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *flags, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = folder / "DevToolsActivePort"
        await until(lambda: told.exists() and len(told.read_text().splitlines()) == 2)
        port, path = told.read_text().splitlines()
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as connection:
            yield Browser(connection, int(port))
    finally:
        process.kill()
        await process.wait()


async def runs(site: ChatSite, session: RecordedSession, folder: Path) -> None:
    """The session becomes a scenario that holds, and that many clients run."""
    draft = infer(session, session.connections, "page")
    file = folder / "page.toml"
    save(draft, file, overwrite=True)
    text = draft.text()
    assert "correct horse" not in text and not any(token in text for token in site.tokens.values())
    lines: list[str] = []
    proof = await prove(draft, str(file), lines.append)
    assert not proof.failed and not proof.unreachable, "\n".join([text, *lines])
    made = load(str(file), {**os.environ, **draft.secrets})
    assert isinstance(made, Scenario)
    before = Counter(site.log)
    async with led(made, clients=CLIENTS) as workers:
        await until(lambda: workers.c.ready == CLIENTS and counts(workers, "say").done > 2 * CLIENTS)
        await workers.drained()
        assert not workers.failures
        assert counts(workers, "say").begun == site.log["say"] - before["say"]
        assert site.log["login"] - before["login"] == site.log["auth"] - before["auth"] == CLIENTS


async def test_the_har_of_a_browser_and_a_recording_of_it_become_runs(tmp_path: Path) -> None:
    async with site() as made, browser(tmp_path / "profile") as page:
        await page.visit(made.url.replace("ws", "http", 1) + "/")
        har = tmp_path / "page.har"
        har.write_text(await page.har())
        await runs(made, read_session(har), tmp_path)
    async with site() as made, browser(tmp_path / "other") as page:
        async with recording(made.url, tmp_path, http=True) as through:
            await page.visit(f"http://127.0.0.1:{through.port}/")
        await runs(made, through.session, tmp_path)
