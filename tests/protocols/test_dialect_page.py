"""The dialect that the manual writes, as it stands there, against a server of its protocol."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import wstui
from tests.conversations.chat import scenario_text
from tests.manual.examples import block
from tests.protocols.serving import target
from tests.servers.server import Connection, Server


class Quizmaster(Server):
    """Answers questions, and pings with each."""

    welcome = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: Counter[str] = Counter()

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        asked = json.loads(payload)
        self.log[asked["type"]] += 1
        if asked["type"] == "login":
            client.say(**({"type": "hello"} if asked["token"] == "good" else {"type": "no", "why": "who are you"}))
        elif asked["type"] == "ask":
            client.say(type="ping")
            client.say(id=asked["id"], type="answer", content={"so": "because"})


def written(folder: Path) -> Path:
    """The package with the file and the line of the page; all else are links to what there is."""
    package = Path(wstui.__file__).parent
    changed = {"protocols/quiz.py", "scenario/conversation/known_dialects.py"}
    parts = {str(part) for name in changed for part in Path(name).parents}
    for inside in sorted(parts):
        (folder / "wstui" / inside).mkdir(parents=True, exist_ok=True)
        for path in (package / inside).iterdir():
            if (name := str(path.relative_to(package))) not in changed | parts and path.name != "__pycache__":
                (folder / "wstui" / name).symlink_to(path)
    (folder / "wstui/protocols/quiz.py").write_text(block("dialect-example"))
    table = (package / "scenario/conversation/known_dialects.py").read_text()
    line = re.findall(r'Add `(".+?)` to `DIALECTS`', (package / "manual/dialect.md").read_text())[0]
    (folder / "wstui/scenario/conversation/known_dialects.py").write_text(
        table.replace("DIALECTS = {", f"DIALECTS = {{ {line},")
    )
    return folder


async def run(folder: Path, url: str, token: str, step: str) -> tuple[int, str]:
    """Status and output of a short run of the package."""
    role = f'[[roles]]\nname = "guest"\nloop = [{{ name = "ask", {step} }}]'
    more = target("quiz", token=f'"{token}"')
    file = folder / f"{token}.toml"
    file.write_text(scenario_text(url, role, clients=3, more=more).replace('over = "60s"', 'over = "1s"'))
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wstui", "run", str(file), "--allow-limited"),
        env=os.environ | {"PYTHONPATH": str(folder), "HOME": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await made.communicate()
    return made.returncode or 0, output.decode()


async def test_the_protocol_of_the_page_runs_as_it_stands_there(tmp_path: Path) -> None:
    folder = written(tmp_path)
    ask = 'ask = "why {{seq}}?", expect = { so = "because" }'
    async with Quizmaster() as server, Quizmaster() as strict:
        (status, output), (_, refused) = await asyncio.gather(
            run(folder, server.url, "good", ask), run(folder, strict.url, "bad", ask)
        )
    assert status == 0 and server.log["login"] == 3, output
    assert server.log["pong"] == server.log["ask"] > 30
    assert re.search(rf"(?m)^ +ask +guest +{server.log['ask']} ", output), output
    assert "guest, login: who are you" in refused and not strict.log["ask"]
