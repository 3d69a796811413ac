"""`wstui import`: a scenario from a recorded session."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

import click

from wstui.cli.exit_codes import ABORTED, BROKEN, KEPT, UNREACHABLE, USAGE, fail
from wstui.cli.param_types import Whole
from wstui.measure.sanitize import sanitize
from wstui.recording.har import entries_of
from wstui.recording.inference.infer import infer
from wstui.recording.inference.inferred_scenario import InferredScenario
from wstui.recording.proof import Proof, prove
from wstui.recording.session import ImportFailed
from wstui.recording.sources import address, choose, read_session, save
from wstui.scenario.conversation.known_dialects import known
from wstui.scenario.errors import BadValue, PresetExistsError, ScenarioError, printable
from wstui.scenario.presets import is_path, own_folder
from wstui.scenario.secrets import mask_text, mask_url

_SHOWN_EVERY_S = 0.5


@click.command(name="import")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--entry",
    type=Whole(1, 1_000_000_000),
    metavar="N",
    help="Take this WebSocket connection; without it they are listed.",
)
@click.option("--url", metavar="URL", help="The server's address, in place of that in the file, or if it has none.")
@click.option(
    "--protocol",
    metavar="NAME",
    help="What the server speaks, instead of recognising it; json or raw: the frames as they are.",
)
@click.option("--out", metavar="PRESET", help="Where to save: a path, or the name of a preset of yours.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@click.option("--json", "as_json", is_flag=True, help="Only list its WebSocket connections, as a JSON array.")
@click.option("--no-prove", is_flag=True, help="Do not try the scenario with one client and with five.")
def import_session(
    file: str,
    entry: int | None,
    url: str | None,
    protocol: str | None,
    out: str | None,
    force: bool,
    as_json: bool,
    no_prove: bool,
) -> None:
    """Make a scenario from a recorded session: a HAR with WebSocket messages, a flow file of mitmproxy, or a
    recording of `wstui record`; or from an AsyncAPI document, a k6 or Artillery
    script, an Insomnia export, or a request of a Postman collection in a folder.

    What opens, repeats and leaves, which reply belongs to what, what is captured and what is a secret is guessed from
    the messages; each guess is a comment beside its line. Then one client tries the scenario, and five, against the
    recorded target; what does not hold is loosened or marked.

    Exit status: 0 all held, 1 a guess did not hold and is marked, 2 the file can't be used, 3 no target.
    """
    path = Path(file)
    try:
        protocol = known(protocol) if protocol else ""
    except BadValue as error:
        fail(f"--protocol {printable(protocol or '')}: {error}", USAGE)
    progress = _Progress(path)
    try:
        session = read_session(path, progress)
        progress.end()
    except ImportFailed as error:
        fail(sanitize(str(error), 600), USAGE)
    if as_json:
        entries = [listed._asdict() for listed in entries_of(session)]
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for note, count in session.notes.items():
        click.echo(f"note: {count} × {sanitize(note, 300)}")
    try:
        chosen = choose(session, entry)
        if chosen is not None:
            address(chosen, url)
    except ImportFailed as error:
        fail(sanitize(f"{printable(file)}: {error}", 600), USAGE)
    if chosen is None:
        click.echo(f"{printable(file)} has WebSocket connections to several endpoints: choose one with --entry")
        click.echo("ENTRY  MESSAGES  URL")
        for listed in entries_of(session):
            click.echo(sanitize(str(listed), 200))
        sys.exit(USAGE)
    target = _destination(path, out)
    try:
        draft = infer(session, chosen, target.stem, protocol=protocol)
    except ImportFailed as error:
        fail(f"{printable(file)}: {error}", USAGE)
    try:
        save(draft, target, overwrite=force)
    except PresetExistsError:
        fail(f"{printable(str(target))} is there already: --force replaces it, --out saves elsewhere", USAGE)
    except ScenarioError as error:
        fail("; ".join(map(str, error.problems)), USAGE)
    _report(draft, target)
    if no_prove:
        sys.exit(KEPT)
    sys.exit(_prove(draft, target, chosen[0].url))


class _Progress:
    """Tells at a terminal how much of a large file was read."""

    def __init__(self, path: Path) -> None:
        self._size = path.stat().st_size if path.is_file() else 0
        self._next = time.monotonic() + _SHOWN_EVERY_S
        self._is_shown = False

    def __call__(self, read_bytes: int) -> None:
        now = time.monotonic()
        if now >= self._next and sys.stderr.isatty():
            self._next, self._is_shown = now + _SHOWN_EVERY_S, True
            click.echo(f"\r{read_bytes >> 20} of {self._size >> 20} MiB read", nl=False, err=True)

    def end(self) -> None:
        """Say what comes next, if any of it was shown."""
        if self._is_shown:
            click.echo(f"\r{self._size >> 20} MiB read; guessing a scenario from them", err=True)


def _destination(source: Path, out: str | None) -> Path:
    if out is None:
        return Path(f"{source.stem}.toml")
    return Path(out) if is_path(out) else own_folder() / f"{out}.toml"


def _report(draft: InferredScenario, path: Path) -> None:
    sure = Counter(guess.sure for guess in draft.guesses.values())
    counts = ", ".join(f"{sure[word]} {word}" for word in ("sure", "likely", "unsure") if sure[word])
    roles = len(draft.tables["roles"])
    told = f"{roles} role{'' if roles == 1 else 's'}, {len(draft.guesses)} guesses ({counts})"
    click.echo(f"{printable(str(path))}: {told}")
    if draft.columns:
        click.echo(f"feed: {printable(str(path.with_suffix('.csv')))}, with {', '.join(draft.columns)}: a row a client")
    if draft.secrets:
        click.echo(f"set before a run: {', '.join(draft.secrets)} (secrets of the recording, not saved)")
    if draft.missing:
        click.echo(f"set before a run: {', '.join(draft.missing)} (not in the recording)")


def _prove(draft: InferredScenario, path: Path, url: str) -> int:
    click.echo(f"proving against {sanitize(mask_url(url), 200)}:")
    secrets = sorted(draft.secrets.values())
    try:
        proof: Proof = asyncio.run(
            prove(draft, str(path), lambda line: click.echo(sanitize(mask_text(line, secrets), 300)))
        )
    except KeyboardInterrupt:
        return ABORTED
    save(draft, path, overwrite=True)
    if proof.unreachable:
        click.echo(f"not proven: {sanitize(mask_text(proof.unreachable, secrets), 300)}", err=True)
        return UNREACHABLE
    if proof.failed:
        click.echo(f"not all of it held: look for NOT PROVEN in {printable(str(path))}")
        return BROKEN
    click.echo(f"all of it held; next: wstui run {printable(str(path))}")
    return KEPT
