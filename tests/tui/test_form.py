"""The form without a screen: every field of the model is in it, and what is not touched stays what it was."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from pydantic import BaseModel

from tests.scenario.test_saving import scenarios
from tests.search import FEW
from wstui.scenario.errors import Key, dotted
from wstui.scenario.fields import Field, FieldKind, fields, row_fields
from wstui.scenario.file import dumps, load, loads
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.model import Scenario, Suite
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.draft_reader import read
from wstui.tui.editor.field_text import join, split, text_of, value_of
from wstui.tui.editor.hints import hints
from wstui.tui.editor.host_capacity import HostCapacity
from wstui.tui.editor.layout import groups, matters

HOST = HostCapacity(ports=28_232, files=20_000, spare=1, cores=2, memory=4 << 30)


def leaves(model: type[BaseModel], under: Key = ()) -> Iterator[Key]:
    """Every value of the model that is no table, found without the form's own reading of it."""
    for name, info in model.model_fields.items():
        if (*under, name) in (("roles",), ("login",), ("target", "options")):
            continue  # the form leaves them as the file has them
        inner = next((part for part in models_in(info.annotation)), None)
        if inner is None:
            yield (*under, name)
        else:
            yield from leaves(inner, (*under, name))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models_in(part)


def in_form(field: Field) -> Iterator[Key]:
    """The values that a field of the form edits."""
    if field.kind is FieldKind.ROWS:
        for part in row_fields(field):
            yield from in_form(part)
    else:
        yield field.path


@pytest.mark.parametrize("model", [Scenario, Suite])
def test_every_field_of_the_model_is_in_the_form_and_explained(model: type[Scenario | Suite]) -> None:
    offered = {path: field for group in groups(model) for field in group.fields for path in in_form(field)}
    missing = {dotted(path) for path in leaves(model)} - {dotted(path) for path in offered}
    assert not missing
    silent = {dotted(path) for path in offered if not _said(path, model)}
    assert not silent


def _said(path: Key, model: type[Scenario | Suite]) -> bool:
    known = {field.path: field for group in groups(model) for top in group.fields for field in _flat(top)}
    return bool(known[path].description)


def _flat(field: Field) -> Iterator[Field]:
    yield field
    if field.kind is FieldKind.ROWS:
        for part in row_fields(field):
            yield from _flat(part)


def test_whatever_matters_only_sometimes_can_be_made_to_matter() -> None:
    """For each value there are choices under which its line is shown."""
    choices = [
        field for field in fields(Scenario) if field.kind is FieldKind.CHOICE or dotted(field.path) == "breakpoint"
    ]
    options = {dotted(field.path): field.options or ("stages", "search") for field in choices}
    for group in groups(Scenario):
        for field in group.fields:
            assert any(
                matters(field, {**{n: o[0] for n, o in options.items()}, name: option}.get)  # type: ignore[arg-type]
                for name, words in options.items()
                for option in words
            ), field


def test_a_field_that_is_new_in_the_model_has_its_place_in_the_form() -> None:
    class NewerTarget(Scenario.model_fields["target"].annotation):  # type: ignore[misc]
        sni: str = ""

    class Newer(Scenario):
        target: NewerTarget = NewerTarget()
        further: int = 3

    found = {dotted(field.path): group.name for group in groups(Newer) for field in group.fields}
    assert found["target.sni"].startswith("target/") and found["further"].startswith("scenario/")


@FEW
@given(scenarios)
def test_a_scenario_that_is_opened_and_not_touched_is_the_same(scenario: Scenario) -> None:
    draft = Draft(scenario)
    assert read(draft).content == scenario and not draft.changed


@FEW
@given(scenarios)
def test_a_scenario_that_is_typed_anew_and_saved_loads_equal(scenario: Scenario) -> None:
    assume(scenario.auth.kind != "token")  # saved as a reference: test_saving holds it
    texts = {key: text for key, text in Draft(scenario).texts.items() if not any(isinstance(p, int) for p in key)}
    draft = Draft(Scenario())
    draft.texts |= texts
    if scenario.auth.token:
        draft.texts[("auth", "token")] = scenario.auth.token.get_secret_value()  # a secret, which no draft shows
    for rows in ("stages", "thresholds"):
        for item in scenario.model_dump(mode="json")[rows]:
            number = draft.add((rows,))
            for part in row_fields(draft.field((rows,))):
                draft.set_text((rows, number, part.name), text_of(part, item[part.name]))
    for name, value in scenario.target.headers.items():
        number = draft.add(("target", "headers"))
        draft.set_text(("target", "headers", number, "name"), name)
        draft.set_text(("target", "headers", number, "value"), value.replace("${", "$${"))
    made = read(draft)
    assert made.content is not None, made.wrong
    # blanks around a text are not typed
    assert loads(dumps(made.content), "", {}) == made.content
    assert made.content.model_dump(exclude={"name", "description", "target", "stages"}) == scenario.model_dump(
        exclude={"name", "description", "target", "stages"}
    )


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_preset_is_a_form_with_hints(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "a secret of at least so many bytes")
    content = load(path)
    draft = Draft(content)
    reading = read(draft)
    assert reading.content == content and dumps(reading.content) == path.read_text()
    assert hints(draft, reading, HOST)


def test_references_can_be_typed_and_are_written_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACE", "250ms")
    draft = Draft(load(shipped_folder() / "quick.toml"))
    draft.set_text(("messages", "every"), "${PACE}")
    draft.set_text(("auth", "token"), "${MY_TOKEN:-}")
    reading = read(draft)
    assert reading.scenario is not None and reading.scenario.messages.every == 0.25
    assert hints(draft, reading, HOST)["messages", "every"] == "is 250ms"
    text = dumps(reading.scenario)
    assert 'every = "${PACE}"' in text and 'token = "${MY_TOKEN:-}"' in text
    draft.set_text(("target", "url"), "ws://localhost:3001/ws")
    assert 'url = "ws://localhost:3001/ws"' in dumps(read(draft).content)  # type: ignore[arg-type]


def test_a_stage_that_moves_keeps_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        '[[stages]]\nname = "a"\nover = "${LENGTH:-3s}"\nclients = 5\n\n'
        '[[stages]]\nname = "b"\nover = "1s"\nclients = 3\n'
    )
    draft = Draft(loads(text, "", {}))
    draft.move(("stages",), draft.rows[("stages",)][0], 1)
    made = dumps(read(draft).content)  # type: ignore[arg-type]
    assert made.index('"b"') < made.index('"a"') < made.index('"${LENGTH:-3s}"')


def test_mistakes_are_told_at_their_field_also_behind_blank_rows() -> None:
    draft = Draft(load(shipped_folder() / "quick.toml"))
    draft.add(("stages",), after=draft.rows[("stages",)][0])
    last = draft.rows[("stages",)][-1]
    draft.set_text(("stages", last, "over"), "30 sec")
    assert list(read(draft).wrong) == [("stages", last, "over")]
    number = draft.add(("target", "headers"))
    draft.set_text(("target", "headers", number, "name"), "Upgrade")
    draft.set_text(("stages", last, "over"), "30s")
    assert read(draft).wrong == {("target", "headers", number, "value"): "is a header that the handshake itself sets"}


@pytest.mark.parametrize(
    ("items", "text"),
    [([], ""), (["a"], "a"), (["a", "b c"], "a, b c"), (["--x 1,2", 'say "hi"'], '"--x 1,2", "say ""hi"""')],
)
def test_lists_are_parted_by_commas(items: list[str], text: str) -> None:
    assert join(items) == text and split(text) == items


@pytest.mark.parametrize("value", [True, False, 5, 2.5, "ok", "5", "true", "", 'a "b"', " x"])
def test_a_value_of_any_type_keeps_its_type(value: Any) -> None:
    field = Field(("equals",), FieldKind.VALUE)
    again = value_of(field, text_of(field, value))
    assert again == value and type(again) is type(value)
