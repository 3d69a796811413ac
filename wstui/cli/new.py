"""`wstui new`: a preset for a server, by what it speaks."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click

from wstui.cli.exit_codes import ABORTED, BROKEN, KEPT, UNREACHABLE, USAGE, fail, hide, tell
from wstui.execution.preflight.detection import Detection, detect
from wstui.execution.preflight.first_message import run_trial
from wstui.execution.preflight.probe import Unreachable
from wstui.measure.sanitize import sanitize
from wstui.scenario.conversation.known_dialects import DIALECTS, kind_of, known
from wstui.scenario.env_refs import names_in
from wstui.scenario.errors import BadValue, PresetExistsError, ScenarioError, describe, printable
from wstui.scenario.file import dumps, load, write
from wstui.scenario.fresh import scenario_for
from wstui.scenario.model import Scenario
from wstui.scenario.overrides import Overrides
from wstui.scenario.presets import is_path, open_preset, own_folder
from wstui.scenario.secrets import mask_url


@click.command()
@click.argument("url", required=False)
@click.option("--protocol", metavar="NAME", help="What the server speaks, instead of looking at it.")
@click.option("--out", metavar="PRESET", help="Where to save: a path, or the name of a preset of yours.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@click.option("--insecure", is_flag=True, help="Accept any certificate of the server while looking.")
@click.option("--ca-file", default="", metavar="FILE", help="Authorities to trust instead of the system's.")
@click.option("--no-try", is_flag=True, help="Do not try the preset with one client.")
def new(
    url: str | None, protocol: str | None, out: str | None, force: bool, insecure: bool, ca_file: str, no_try: bool
) -> None:
    """Make a preset for the server at URL: look at what it agrees to, says and answers, and propose its protocol.

    Looking opens a few connections and sends an opening of one protocol on each. In a terminal the proposal can be
    changed. Then one client tries the preset.

    Exit status: 0 the preset is written, 1 it is, but its client did not get through, 2 wrong usage, 3 no server.
    """
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    if url is None and asks:
        url = click.prompt("URL of the server (empty: none yet)", default="", show_default=False)
    try:
        protocol = protocol and known(protocol)
    except BadValue as error:
        fail(f"--protocol {printable(protocol or '')}: {error}", USAGE)
    options: Any = {}
    echoes, origin = False, ""
    if protocol is None and url:
        seen = _look(url, insecure, ca_file)
        click.echo(f"{printable(mask_url(seen.url))}: {seen}")
        url, origin = seen.url, seen.origin
        protocol, options = (seen.guess.protocol, seen.guess.options) if seen.guess else (None, {})
        echoes = seen.guess is not None and seen.guess.echoes
        if asks:
            chosen = _asked(protocol or "json")
            protocol, options = chosen, options if chosen == protocol else {}
    if protocol is None and not url and asks:
        protocol = _asked("json")
    if protocol is None and not url:
        fail("needs a URL, or --protocol NAME", USAGE)
    made = _made(protocol or "json", url or "", options, echoes, origin, ca_file)
    path = _written(made, protocol or "json", url or "", out, force)
    sys.exit(KEPT if no_try or not url else _tried(path, url, insecure))


def _look(url: str, insecure: bool, ca_file: str) -> Detection:
    try:
        return asyncio.run(detect(url, insecure=insecure, ca_file=ca_file))
    except BadValue as error:
        fail(f"{printable(mask_url(url))} {error}", USAGE)
    except Unreachable as error:
        fail(f"{error}; --protocol NAME makes a preset all the same", UNREACHABLE)
    except KeyboardInterrupt:
        sys.exit(ABORTED)


def _asked(proposal: str) -> str:
    for name in DIALECTS:
        click.echo(f"  {name:<12} {kind_of(name).title}")
    chosen: str = click.prompt("protocol", default=proposal, type=click.Choice(list(DIALECTS)), show_choices=False)
    return chosen


def _made(protocol: str, url: str, options: Any, echoes: bool, origin: str, ca_file: str) -> Scenario:
    try:
        made = scenario_for(protocol, url, options, echoes=echoes, origin=origin)
    except ScenarioError as error:
        fail(describe(error.problems, 100), USAGE)
    changed = {"ca_file": str(Path(ca_file).resolve())} if ca_file else {}
    return made.model_copy(update={"target": made.target.model_copy(update=changed)})


def _written(made: Scenario, protocol: str, url: str, out: str | None, force: bool) -> Path:
    try:
        path = Path(out) if out and is_path(out) else own_folder() / f"{out or made.name}.toml"
        text = dumps(made.model_copy(update={"name": path.stem}))
        write(path, text, overwrite=force)
    except PresetExistsError:
        fail(f"{printable(str(path))} is there already: --force replaces it, --out saves elsewhere", USAGE)
    except ScenarioError as error:
        fail(describe(error.problems, 100), USAGE)
    click.echo(f"{printable(str(path))}: {protocol}, {kind_of(protocol).title}")
    kept = load(path, complete=False).origin.references.get(("target", "url")) if url else None
    if kept and (unset := [name for name in names_in(kept.raw) if not os.environ.get(name)]):
        tell(f"set {' and '.join(unset)} before a run: what is secret in the URL is not saved")
    return path


def _tried(path: Path, url: str, insecure: bool) -> int:
    try:
        scenario = open_preset(str(path), None, Overrides(url=url))
        assert isinstance(scenario, Scenario)
        hide([scenario])
        if insecure:
            scenario = scenario.model_copy(update={"target": scenario.target.model_copy(update={"insecure": True})})
        found = asyncio.run(run_trial(scenario))
    except ScenarioError as error:
        fail(describe(error.problems, 100), USAGE)
    except KeyboardInterrupt:
        return ABORTED
    steps = [
        f"{name} {'held' if n.done and not n.failed else 'FAILED'}" for (_, name), n in found.steps.items() if n.begun
    ]
    click.echo(f"one client: {', '.join(['ready' if found.ready else 'not ready', *steps])}")
    for why in found.failures:
        click.echo(f"  {sanitize(why, 300)}")
    flag = " --insecure" if insecure else ""
    tell(f"next: wstui {printable(path.stem if path.parent == own_folder() else str(path))}{flag}")
    return BROKEN if found.failures or not found.ready else KEPT
