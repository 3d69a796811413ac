"""The operator's own theme and keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.dom import DOMNode

from tests.tui import fake
from tests.tui.driving import running, shown, until
from wstui.tui.app import WstuiApp
from wstui.tui.palette import bindings_of, ids_of, owners
from wstui.tui.settings import is_key, read_settings
from wstui.tui.theme import DARK, LIGHT
from wstui.tui.top import RunLines, TopApp

IDS = frozenset({"load.pause", "view.freeze"})
THEMES = (DARK.name, LIGHT.name)


def read(folder: Path, text: str) -> tuple[str, dict[str, str], str]:
    file = folder / "config.toml"
    file.write_text(text)
    settings = read_settings(file, IDS, THEMES)
    return settings.theme, dict(settings.keys), "\n".join(map(str, settings.problems))


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "none.toml", IDS, THEMES)
    assert not settings.theme and not settings.keys and not settings.problems


def test_theme_and_keys_are_read_in_either_spelling(tmp_path: Path) -> None:
    text = 'theme = "wstui-light"\n[keys]\n"load.pause" = "f9,ctrl+p"\n[keys.view]\nfreeze = "F"\n'
    assert read(tmp_path, text) == ("wstui-light", {"load.pause": "f9,ctrl+p", "view.freeze": "F"}, "")


def test_what_cannot_be_used_is_named_and_the_rest_is_used(tmp_path: Path) -> None:
    text = 'theme = "wstui-lihgt"\nkesy = 1\n[keys]\n"load.pausse" = "p"\n'
    text += '"view.freeze" = "ctrl + ü"\n"load.pause" = "f9"\n'
    theme, keys, problems = read(tmp_path, text)
    assert theme == "" and keys == {"load.pause": "f9"}
    for part in ('did you mean "wstui-light"?', 'did you mean "keys"?', 'did you mean "load.pause"?', '"ctrl + ü"'):
        assert part in problems, part
    assert "cannot be read" in read(tmp_path, "theme = ")[2]
    assert "is a table" in read(tmp_path, "keys = 1")[2]


@pytest.mark.parametrize("text", ["p", "F", "f5", "ctrl+s", "shift+tab", "space", "plus", "slash", "ctrl+alt+x", "ü"])
def test_keys_are_written_as_textual_writes_them(text: str) -> None:
    assert is_key(text)


@pytest.mark.parametrize("text", ["", "spcae", "ctrl+", "ctrl p", "strg+p"])
def test_what_is_no_key_is_refused(text: str) -> None:
    assert not is_key(text)


async def test_the_file_sets_theme_and_keys(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('theme = "wstui-light"\n[keys]\n"load.pause" = "f9"\n')
    async with running(settings=file) as (app, pilot, session):
        assert app.theme == "wstui-light"
        await pilot.press("space", "f9")
        await until(lambda: session.commands == [("pause",)], pilot)
        app.theme = "dracula"
        await until(lambda: 'to keep it: theme = "dracula"' in shown(app), pilot)


async def test_a_mistake_in_the_file_is_said_and_ends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[keys]\npause = 'f9'\n")
    async with running(size=(200, 50), settings=file) as (app, pilot, _):
        await until(lambda: "keys.pause: is nothing that has a key" in shown(app), pilot)


async def test_keys_that_clash_are_said() -> None:
    async with running(keymap={"load.pause": "p"}) as (app, pilot, _):
        await until(lambda: 'your keys clash: "p" is both load.pause and load.pace' in shown(app), pilot)


def test_every_key_of_every_screen_has_an_id_of_its_own_a_name_and_a_tooltip() -> None:
    seen: dict[str, str] = {}
    everyone: list[type[DOMNode]] = [*owners(), WstuiApp]
    owned = [(owner, binding) for owner in everyone for binding in bindings_of([owner])]
    assert len(owned) > 70
    for owner, binding in owned:
        assert binding.id and binding.tooltip and binding.description, (owner, binding)
        assert binding.id not in seen, (binding.id, owner, seen.get(binding.id))
        seen[binding.id] = owner.__name__
    assert set(seen) == ids_of([owner for owner, _ in owned])


def test_no_class_of_the_terminal_has_keys_that_cannot_be_remapped() -> None:
    def all_under(cls: type[DOMNode]) -> set[type[DOMNode]]:
        return {cls}.union(*map(all_under, cls.__subclasses__()))

    ours = [cls for cls in all_under(DOMNode) if cls.__module__.startswith("wstui.") and "BINDINGS" in vars(cls)]
    known = {*owners(), WstuiApp, TopApp, RunLines}  # the list of runs is an application of its own, with few keys
    assert {cls.__name__ for cls in ours if cls not in known} == set()


async def test_every_binding_can_be_remapped() -> None:
    keymap = {binding.id: "f19" for binding in bindings_of(owners()) if binding.id == "errors.filter"}
    async with running(fake.status(), keymap=keymap) as (app, pilot, _):
        await pilot.press("slash")
        await pilot.pause()
        assert "Show errors that contain" not in shown(app)
        await pilot.press("f19")
        await until(lambda: "Show errors that contain" in shown(app), pilot)
