from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.manual.examples import block

ROOT = Path(__file__).parents[2]


def test_the_container_file_has_known_instructions_an_ordinary_user_and_the_entry_point() -> None:
    text = block("containerfile")
    lines = [line for line in text.splitlines() if line.strip()]
    words = [line.split()[0] for line in lines]
    assert words[0] == "FROM" and set(words) <= {"FROM", "COPY", "RUN", "USER", "WORKDIR", "ENV", "ENTRYPOINT", "CMD"}
    assert words.index("USER") > words.index("RUN") and 'ENTRYPOINT ["wstui"]' in lines
    assert ":latest" not in text and ":" in lines[0]
    extras = set(re.findall(r"\[([\w,]+)\]", next(line for line in lines if "pip install" in line))[0].split(","))
    project = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)


def test_hadolint_has_nothing_to_say_of_the_container_file() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [hadolint, "--no-color", "-"], input=block("containerfile"), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
