"""The scripts of the page that puts one conversation into four tools, run by those tools against one server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conversations.chat import Chat
from tests.manual.examples import ROOT
from tests.servers.server import serving

PAGE = (ROOT / "wstui/manual/side-by-side.md").read_text()
CLIENTS, SAYS = 3, 2
PATIENCE_S = 240


def script(tool: str, language: str, url: str = "") -> str:
    """The code of a tool on the page, with few clients that say little, to a server of ours."""
    part = PAGE.partition(f"## {tool}\n")[2].partition("\n## ")[0]
    text = part.partition(f"```{language}\n")[2].partition("```")[0]
    assert text, (tool, language)
    for written, instead in (
        (r"(?<=vus: )50|(?<=iterations: )50|(?<=arrivalCount: )50", str(CLIENTS)),
        (r"(?<=seq === )29|(?<=count: )29", str(SAYS)),
        (r"(?<=p\(99\)<)500|(?<=say\.p99\": )500", "60000"),  # how fast this machine is, is not what is tested
    ):
        text = re.sub(written, instead, text)
    return text.replace("ws://localhost:9000/socket", url)


def run(server: Chat, folder: Path, *command: str) -> str:
    """Run a tool against a server; return what it says. Its own count is that of the server."""
    environment = {**os.environ, "TOKEN": "good", "ARTILLERY_DISABLE_TELEMETRY": "true", "K6_NO_USAGE_REPORT": "true"}
    with serving(server):
        for name in folder.iterdir():
            name.write_text(name.read_text().replace("URL", server.url))
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert server.kinds() == {"auth": CLIENTS, "say": CLIENTS * SAYS}
    return done.stdout


@pytest.mark.skipif(shutil.which("k6") is None, reason="k6 is not installed: its script is not run")
def test_k6_says_as_much_as_the_page_promises(tmp_path: Path) -> None:
    text = script("k6", "js", "URL")
    version = subprocess.run(["k6", "version"], capture_output=True, text=True, check=True).stdout
    if re.search(r"k6(?:\.exe)? v(?:0|1\.[01])\.", version):
        text = text.replace("k6/websockets", "k6/experimental/websockets")
    (tmp_path / "say.js").write_text(text)
    run(Chat(), tmp_path, "k6", "run", "--quiet", "--summary-export", "found.json", "say.js")
    metrics = json.loads((tmp_path / "found.json").read_text())["metrics"]
    assert metrics["iterations"]["count"] == CLIENTS and metrics["lost"]["count"] == 0
    assert metrics["ws_msgs_received"]["count"] == CLIENTS * (1 + SAYS)


@pytest.mark.skipif(shutil.which("artillery") is None, reason="Artillery is not installed: its script is not run")
def test_artillery_says_as_much_as_the_page_promises(tmp_path: Path) -> None:
    (tmp_path / "say.yml").write_text(script("Artillery", "yaml", "URL"))
    (tmp_path / "say.cjs").write_text(script("Artillery", "js"))
    run(Chat(), tmp_path, "artillery", "run", "--output", "found.json", "say.yml")
    found = json.loads((tmp_path / "found.json").read_text())["aggregate"]
    assert found["counters"]["websocket.messages_sent"] == CLIENTS * (1 + SAYS)
    assert found["summaries"]["say"]["count"] == CLIENTS * SAYS and not found["counters"]["vusers.failed"]


def test_gatlings_script_has_the_types_of_its_sdk(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm: the script of Gatling is not checked")
    modules = Path(subprocess.run([npm, "root", "--global"], capture_output=True, text=True, check=True).stdout.strip())
    if not (modules / "@gatling.io/http").is_dir() or not (modules / "typescript").is_dir():
        pytest.skip("@gatling.io/http and typescript are not installed from npm: the script of Gatling is not checked")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "say.ts").write_text(script("Gatling", "ts"))
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "commonjs"]
    compiler = modules / "typescript/bin/tsc"
    done = subprocess.run([compiler, *options, "say.ts"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
