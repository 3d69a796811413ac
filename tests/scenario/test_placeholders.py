"""Placeholders, feeds and files of messages in a scenario file: what is read, what is refused and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.scenario.errors import BadValue, ScenarioError
from wstui.scenario.file import dumps, load, loads
from wstui.scenario.model import Scenario
from wstui.scenario.placeholder import BadPlaceholder, Placeholder, parse, variables
from wstui.scenario.secret_fields import secrets_of

HEAD = """
[target]
url = "ws://127.0.0.1:9/"
[[stages]]
name = "all"
over = "1s"
clients = 1
"""


def problems(text: str, head: str = HEAD) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(head + text, "x.toml", {})
    return [f"{problem.subject}: {problem.advice}" for problem in caught.value.problems]


def role(**keys: str) -> str:
    """A role whose round is one step with these keys."""
    return f"[[roles]]\nname = 'one'\nloop = [{{ {', '.join(f'{name} = {value}' for name, value in keys.items())} }}]\n"


def fed(path: Path | str) -> str:
    return f"[messages]\nfeed = '{path}'\n"


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_placeholders_stays_as_it_is(text: str) -> None:
    assert parse(text) == ([text] if text else [])


@given(st.lists(st.text(st.characters(exclude_characters="{}")) | st.sampled_from(["seq", "client", "random uuid"])))
def test_what_was_written_can_be_put_together_again(words: list[str]) -> None:
    known = {
        "seq": Placeholder("seq"),
        "client": Placeholder("client"),
        "random uuid": Placeholder("random", ("uuid",)),
    }
    text = "".join(f"{{{{{word}}}}}" if word in known else word for word in words)
    back = {value: key for key, value in known.items()}
    parts = parse(text)
    assert "".join(f"{{{{{back[part]}}}}}" if isinstance(part, Placeholder) else part for part in parts) == text


@given(st.text(alphabet="{} abcdefeltmnorsuxy.0129-:_", max_size=40))
def test_any_text_is_split_or_refused_with_what_is_wrong(text: str) -> None:
    try:
        parts = parse(text)
    except BadPlaceholder as error:
        assert error.written.startswith("{{") and error.message
    else:
        assert all(parts)


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("{{clinet}}", 'did you mean "{{client}}"?'),
        ("{{uuid}}", 'did you mean "{{random uuid}}"?'),
        ("{{timestamp sec}}", "has no such unit: there are ms, s, us, ns, iso"),
        ("{{random integer 1 2}}", 'did you mean "{{random int 1 2}}"?'),
        ("{{random int 2 1}}", "has its ends the wrong way round"),
        ("{{random hex}}", "takes a length"),
        ("{{random hex 9999}}", "takes a length from 1 to 4096"),
        ("{{seq 5}}", 'takes no argument; did you mean "{{seq}}"?'),
        ("{{feed.}}", "names no column"),
        ("{{env}}", "names no variable"),
        ("{{", 'without "}}"'),
    ],
)
def test_a_bad_placeholder_names_itself_and_the_nearest_one(written: str, advice: str) -> None:
    (problem,) = problems(role(send=f"'a {written}'"))
    assert problem.startswith('roles[0].loop[0].send = "{{') and advice in problem


def test_a_column_that_a_feed_lacks_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("user,city\nada,Turin\n", encoding="utf-8")
    (problem,) = problems(fed(tmp_path / "rows.csv") + role(send="'{{feed.usr}}'"))
    assert problem == 'roles[0].loop[0].send = "{{feed.usr}}": is not a column; did you mean "{{feed.user}}"?'


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSTUI_NOT_SET", raising=False)
    (problem,) = problems(role(send="'{{env WSTUI_NOT_SET}}'"))
    assert "{{env WSTUI_NOT_SET:-default}}" in problem
    monkeypatch.setenv("WSTUI_NOT_SET", "now")
    loads(HEAD + role(send="'{{env WSTUI_NOT_SET}}'"), "x.toml", {})


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("", "is empty"),
        ("a,b\n", "has no rows"),
        ("a,a\n1,2\n", 'names the column "a" twice'),
        ("a,b\n1,2\n1\n", "has 1 fields in line 3, and 2 columns"),
        ('a,b\n"1,2\n', "is not a CSV file"),
    ],
)
def test_a_feed_that_cannot_be_used_says_why(tmp_path: Path, content: str, advice: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content, encoding="utf-8")
    (problem,) = problems(fed(path) + role(send="'{{feed.a}}'"))
    assert problem.startswith("messages.feed = ") and advice in problem


def test_a_field_of_a_feed_may_be_as_long_as_the_feed(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'name,text\nann,"{"x" * 300_000}"\n', encoding="utf-8")
    assert isinstance(loads(HEAD + fed(path) + role(send="'{{feed.text}}'"), "x.toml"), Scenario)


def test_files_are_found_beside_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "hello.json").write_text('{"a":1}', encoding="utf-8")
    (tmp_path / "rows.csv").write_text("a\n1\n", encoding="utf-8")
    path = tmp_path / "presets" / "mine.toml"
    path.write_text(HEAD + fed("rows.csv") + role(file="'hello.json'"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert isinstance(load(path, {}), Scenario)


def test_what_is_expected_keeps_its_type_when_it_is_saved() -> None:
    text = HEAD + "[messages]\nseed = 5\n" + role(
        send="'{\"a\":\"{{seq}}\"}'", size='"1KiB"', expect="{ a = true, b = 1, c = 1.5, 'd.e' = '{{seq}}' }"
    )  # fmt: skip
    made = loads(text, "x.toml", {})
    assert loads(dumps(made), "x.toml", {}) == made
    assert isinstance(made, Scenario)
    assert [type(value) for value in made.roles[0].loop[0].expect.values()] == [bool, int, float, str]


def test_a_secret_of_the_environment_is_known_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSTUI_API_TOKEN", "hush")
    monkeypatch.setenv("WSTUI_COLOUR", "red")
    made = loads(HEAD + role(send="'{{env WSTUI_API_TOKEN}} {{ env WSTUI_COLOUR }}'"), "x.toml", {})
    assert isinstance(made, Scenario)
    assert variables(made.roles[0].loop[0].send) == ["WSTUI_API_TOKEN", "WSTUI_COLOUR"]
    assert secrets_of(made) == ["hush"] and "hush" not in dumps(made)


def test_messages_that_no_process_could_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_bytes(b"x" * (1 << 20))
    steps = ", ".join([f"{{ file = '{tmp_path / 'big.txt'}' }}"] * 17)
    found = problems(f"[[roles]]\nname = 'one'\nloop = [{steps}]\n")
    assert found == ["roles: send more than 16 MiB together: a worker keeps all of it"]
    (tmp_path / "big.txt").write_bytes(b"x" * ((1 << 20) + 1))
    assert "is larger than 1 MiB" in problems(role(file=f"'{tmp_path / 'big.txt'}'"))[0]


def test_bad_placeholders_are_bad_values() -> None:
    assert issubclass(BadPlaceholder, BadValue)


TEMPLATE = """
[[messages.templates]]
name = "order"
payload = '{"op":"order","id":{{key}}}'
reply = "field"
reply_field = "data.id"
"""


def test_templates_of_an_old_file_are_told_how_to_become_roles() -> None:
    found = problems(f'[messages]\nexchange = "template"\n{TEMPLATE}')
    assert len(found) == 2
    assert found[0].startswith('messages.exchange = "template": is gone: write [[roles]]')
    assert found[1].startswith("messages.templates: is gone: write each template as a step of a role")
    assert 'expect = { "data.id" = "{{id}}" }' in found[1] and "choose" in found[1]
