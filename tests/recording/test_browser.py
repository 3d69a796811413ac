"""A page that logs in by HTTP and chats, in a real browser: its HAR, and the same through the proxy, become runs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
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
from wstui.recording.saving import save
from wstui.recording.session import RecordedSession
from wstui.recording.sources import read_session
from wstui.scenario.file import load
from wstui.scenario.model import Scenario

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
CLIENTS = 50
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


class Site:
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
async def site() -> AsyncIterator[Site]:
    made = Site()
    app = web.Application()
    app.router.add_get("/", made.page)
    app.router.add_post("/login", made.login)
    app.router.add_get("/ws", made.chat)
    async with served(app) as made.url:
        yield made


class Browser:
    """One page of a browser, and the events of its network."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._session: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message.get("result", {}))
            else:
                self.events.append((message["method"], message["params"]))

    async def ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        answer = self._answers[number]
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params} | self._session))
        return await asyncio.wait_for(answer, 30)

    async def visit(self, url: str) -> None:
        """Open a page of its own, and wait until its script is done."""
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        await self.ask("Network.enable")
        await self.ask("Page.navigate", url=url)
        for _ in range(600):
            found = await self.ask("Runtime.evaluate", expression="document.title")
            if found["result"].get("value") == "done":
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the page has not finished")

    async def har(self) -> dict[str, Any]:
        """The log of the network as the browser's own tools save it."""
        entries: dict[str, dict[str, Any]] = {}
        offset = 0.0
        for method, params in self.events:
            entry = entries.setdefault(str(params.get("requestId")), {"request": {"headers": []}, "response": {}})
            match method:
                case "Network.requestWillBeSent":
                    asked = params["request"]
                    offset = params["wallTime"] - params["timestamp"]
                    entry["startedDateTime"] = when(params["wallTime"])
                    entry["request"] |= {"method": asked["method"], "url": asked["url"]}
                    if "postData" in asked:
                        entry["request"]["postData"] = {"mimeType": "application/json", "text": asked["postData"]}
                case "Network.requestWillBeSentExtraInfo":
                    entry["request"]["headers"] = named(params["headers"])
                case "Network.responseReceived":
                    entry["response"] |= {"status": params["response"]["status"]}
                    entry["mime"] = params["response"]["mimeType"]
                case "Network.responseReceivedExtraInfo":
                    entry["response"] |= {"status": params["statusCode"], "headers": named(params["headers"])}
                case "Network.webSocketCreated":
                    entry |= {"_resourceType": "websocket", "_webSocketMessages": []}
                    entry["request"] |= {"method": "GET", "url": params["url"]}
                case "Network.webSocketWillSendHandshakeRequest":
                    entry["startedDateTime"] = when(params["wallTime"])
                    entry["request"]["headers"] = named(params["request"]["headers"])
                case "Network.webSocketHandshakeResponseReceived":
                    answer = params["response"]
                    entry["response"] |= {"status": answer["status"], "headers": named(answer["headers"])}
                case "Network.webSocketFrameSent" | "Network.webSocketFrameReceived":
                    frame = params["response"]
                    kind = "send" if method.endswith("Sent") else "receive"
                    told = {"type": kind, "time": params["timestamp"] + offset, "opcode": frame["opcode"]}
                    entry["_webSocketMessages"].append(told | {"data": frame["payloadData"]})
        for number, entry in entries.items():
            if mime := entry.pop("mime", ""):
                body = await self.ask("Network.getResponseBody", requestId=number)
                text = base64.b64decode(body["body"]).decode() if body.get("base64Encoded") else body.get("body", "")
                entry["response"]["content"] = {"mimeType": mime, "text": text}
        kept = [entry for entry in entries.values() if "url" in entry["request"]]
        return {"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "entries": kept}}


def named(headers: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, values in headers.items() for value in values.split("\n")]


def when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    assert CHROMIUM is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *flags, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = folder / "DevToolsActivePort"
        await until(lambda: told.exists() and len(told.read_text().splitlines()) == 2)
        port, path = told.read_text().splitlines()
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as connection:
            yield Browser(connection)
    finally:
        process.kill()
        await process.wait()


async def runs(site: Site, session: RecordedSession, folder: Path) -> None:
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
        har.write_text(json.dumps(await page.har()))
        await runs(made, read_session(har), tmp_path)
    async with site() as made, browser(tmp_path / "other") as page:
        async with recording(made.url, tmp_path, http=True) as through:
            await page.visit(f"http://127.0.0.1:{through.port}/")
        await runs(made, through.session, tmp_path)
