"""One meaning for each field: the model describes itself to the editor, the help, the manual and the JSON Schema."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from wstui.cli import wstui
from wstui.scenario.fields import described, fields, sentence
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.model import Load, Scenario, Stage, Suite, Threshold

PRESETS = sorted(shipped_folder().glob("*.toml"))


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    printed = CliRunner().invoke(wstui, ["schema", "scenario"])
    assert printed.exit_code == 0
    made = json.loads(printed.output)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("model", [Scenario, Suite, Load])
def test_each_field_says_what_it_means(model: type[Scenario]) -> None:
    silent = [name for name, field in described(model).items() if not field.description]
    assert not silent
    unended = [field.description for field in described(model).values() if field.description.endswith(".")]
    assert not unended, "`sentence` adds the full stop"


def test_fields_know_their_unit_and_bounds() -> None:
    known = described(Scenario)
    assert (known["target.health_every"].unit, known["target.health_every"].bounds) == ("duration", "100ms to 8784h")
    assert (known["messages.jitter"].unit, known["messages.jitter"].bounds) == ("share", "0% to 100%")
    assert (known["stages.arrive"].unit, known["stages.arrive"].bounds) == ("rate", "more than 0/s to 100000/s")
    assert (known["messages.size"].unit, known["messages.size"].default) == ("size", "64")
    assert known["messages.exchange"].options == ("odin", "echo", "ping", "listen")


def test_a_meaning_becomes_a_sentence_unless_it_begins_with_a_value() -> None:
    assert sentence("drop a client") == "Drop a client."
    assert sentence("ws://, or wss://") == "ws://, or wss://."
    assert sentence("CSV file") == "CSV file."
    assert sentence("") == ""


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_the_schema_accepts_every_shipped_preset(preset: Path, schema: jsonschema.Draft202012Validator) -> None:
    assert not list(schema.iter_errors(tomllib.loads(preset.read_text())))


@pytest.mark.parametrize(
    "text",
    [
        "[target]\nurll = 'ws://a'",
        "[messages]\nevery = 5",
        "[messages]\nevery = '5 parsecs'",
        "[messages]\njitter = '10'",
        "[target]\nready = 'soon'",
        "[[stages]]\nname = 'ramp'",
        "[fleet]\nworkers = 5000",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str, schema: jsonschema.Draft202012Validator) -> None:
    assert list(schema.iter_errors(tomllib.loads(text)))


@pytest.mark.parametrize(
    "text",
    [
        "[load]\nclients = 5\nramp = '1s'\nhold = '1m30s'",
        "[load]\nclients = '${N:-5}'\nramp = '${R:-1s}'\nhold = '1m'",
        "[target]\nmax_size = 4096\nstrict = '${STRICT:-true}'",
        "suite = ['quick']\ncooldown = '5s'",
    ],
)
def test_the_schema_accepts_the_short_form_and_references(text: str, schema: jsonschema.Draft202012Validator) -> None:
    assert not list(schema.iter_errors(tomllib.loads(text)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wrong = 1", ["'wrong' was unexpected"]),
        ("[target]\nurll = 'ws://a'", ["'urll' was unexpected"]),
        ("[[thresholds]]\nmetric = 'x'", ["'limit' is a required property"]),
        ("suite = ['quick']\n[target]\nurl = 'ws://a'", ["False schema does not allow"]),
        ("cooldown = '5s'", ["False schema does not allow"]),
    ],
)
def test_a_mistake_is_one_error_about_its_own_key(
    text: str, told: list[str], schema: jsonschema.Draft202012Validator
) -> None:
    errors = [error.message for error in schema.iter_errors(tomllib.loads(text))]
    assert len(errors) == len(told) and all(part in error for part, error in zip(told, errors, strict=True)), errors


def test_each_key_is_one_piece_with_its_meaning_and_takes_a_reference(schema: jsonschema.Draft202012Validator) -> None:
    tables = {"": schema.schema, **schema.schema["$defs"]}
    keys = {f"{name}.{key}": part for name, table in tables.items() for key, part in table["properties"].items()}
    for key, part in keys.items():
        pieces = part.get("anyOf", [part])
        assert [piece["description"] for piece in pieces if "description" in piece], key
        assert len(pieces) == 1 or "enum" in pieces[0], key
        if part.get("type") not in ("array", "object") and "$ref" not in part:
            assert jsonschema.Draft202012Validator(part).is_valid("${NAME:-default}"), key


@pytest.mark.parametrize("model", [Scenario, Suite, Stage, Threshold])
def test_a_default_has_the_form_that_the_model_writes_as_json(model: type[BaseModel]) -> None:
    written = model.model_construct().model_dump(mode="json", warnings=False)
    known = {field.name: field.default for field in fields(model) if len(field.path) == 1}
    assert known == {name: written.get(name) for name in model.model_fields}
