"""Templates in a scenario file: what is read, what is refused and in which words, what is saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.scenario.checks import warnings
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
[messages]
exchange = "template"
"""


def problems(text: str, head: str = HEAD) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(head + text, "x.toml", {})
    return [f"{problem.subject}: {problem.advice}" for problem in caught.value.problems]


def template(**keys: str) -> str:
    keys = {"name": '"one"', **keys}
    return "[[messages.templates]]\n" + "\n".join(f"{name} = {value}" for name, value in keys.items()) + "\n"


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
def test_any_text_is_cut_or_refused_with_what_is_wrong(text: str) -> None:
    try:
        parts = parse(text)
    except BadPlaceholder as error:
        assert error.written.startswith("{{") and error.message
    else:
        assert all(parts)


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("{{clinet}}", 'is not a placeholder; did you mean "{{client}}"?'),
        ("{{uuid}}", 'is not a placeholder; did you mean "{{random uuid}}"?'),
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
    (problem,) = problems(template(payload=f"'a {written}'"))
    assert problem.startswith('messages.templates[0].payload = "{{') and advice in problem


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("user,city\nada,Turin\n", encoding="utf-8")
    text = f"feed = '{tmp_path / 'rows.csv'}'\n" + "".join(
        [
            template(payload="'{{feed.usr}}'"),
            template(),
            template(name='"b"', payload="'a'", file="'a'"),
            template(name='"c"', payload="'a'", encoding="'hex'"),
            template(name='"d"', payload="'xy'", encoding="'hex'", binary="true"),
            template(name='"e"', payload="'a'", reply="'field'"),
            template(name='"f"', payload="'a'", reply="'field'", reply_field="'a..b'", key="'{{client}}'"),
            template(name='"g"', payload="'a'", reply="'none'", expect="[{contains = 'a'}]"),
            template(name='"k"', payload="'a'", expect="[{contains = 'a'}, {}, {field = '.'}]"),
            template(name='"h"', payload="'{{pad}}{{pad}}'"),
            template(name='"i"', payload="'a'", reply_field="'a'"),
            template(name='"j"', file="'nowhere.txt'"),
        ]
    )
    found = problems(text)
    expected = [
        ('[0].payload = "{{feed.usr}}"', 'did you mean "{{feed.user}}"?'),
        ('[1].name = "one"', "names two templates"),
        ("[1].payload", "is empty"),
        ("[2].payload", "and file are both given"),
        ("[3].encoding", "set binary = true"),
        ("[4].payload", "is not hex between its placeholders"),
        ("[5].reply_field", "is missing"),
        ("[5].payload", "does not say {{key}}"),
        ("[6].reply_field", "is not a path"),
        ("[6].key", "is the same for several messages"),
        ("[6].payload", "does not say {{client}}"),
        ("[7].expect", "can never be met"),
        ("[8].expect[1]", "needs contains or field"),
        ("[8].expect[2].field", "is not a path"),
        ("[9].payload", "is there twice"),
        ("[9].size", "is missing"),
        ("[10].reply_field", 'has no effect with reply = "echo"'),
        ("[11].file", "is not a file, seen from"),
    ]
    for place, advice in expected:
        assert any(f"messages.templates{place}" in line and advice in line for line in found), (place, advice, found)


def test_templates_are_needed_and_used_only_by_their_exchange() -> None:
    assert "messages.templates: is missing" in problems("")[0]
    made = loads(HEAD.replace('"template"', '"echo"') + template(payload="'a'"), "x.toml", {})
    assert isinstance(made, Scenario)
    assert any(line.startswith("messages.templates has no effect") for line in warnings(made))


def test_a_closed_loop_waits_for_replies_so_each_message_must_have_one() -> None:
    (problem,) = problems('every = "0s"\n' + template(payload="'a'", reply="'none'"))
    assert problem.startswith("messages.templates[0].reply")


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSTUI_NOT_SET", raising=False)
    (problem,) = problems(template(payload="'{{env WSTUI_NOT_SET}}'"))
    assert "{{env WSTUI_NOT_SET:-default}}" in problem
    monkeypatch.setenv("WSTUI_NOT_SET", "now")
    loads(HEAD + template(payload="'{{env WSTUI_NOT_SET}}'"), "x.toml", {})


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
    (problem,) = problems(f"feed = '{path}'\n" + template(payload="'{{feed.a}}'"))
    assert problem.startswith("messages.feed = ") and advice in problem


def test_a_field_of_a_feed_may_be_as_long_as_the_feed(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'name,text\nann,"{"x" * 300_000}"\n', encoding="utf-8")
    assert isinstance(loads(HEAD + f"feed = '{path}'\n" + template(payload="'{{feed.text}}'"), "x.toml"), Scenario)


def test_files_are_found_beside_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "hello.json").write_text('{"a":1}', encoding="utf-8")
    (tmp_path / "rows.csv").write_text("a\n1\n", encoding="utf-8")
    path = tmp_path / "presets" / "mine.toml"
    path.write_text(HEAD + "feed = 'rows.csv'\n" + template(file="'hello.json'"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert isinstance(load(path, {}), Scenario)


def test_what_is_saved_loads_equal() -> None:
    text = HEAD + "seed = 5\n" + template(payload='\'{"a":"{{seq}}"}\'', weight="2.5", size='"1KiB"') + template(
        name='"two"', payload="'x{{key}}'", reply="'field'", reply_field="'a.b'", key="'{{client}}-{{seq}}'",
        expect="[{contains='a'}, {field='a', equals=true}, {field='b', equals=1}, {field='c', equals=1.5}]",
    )  # fmt: skip
    made = loads(text, "x.toml", {})
    assert loads(dumps(made), "x.toml", {}) == made
    assert isinstance(made, Scenario)
    assert [type(e.equals) for e in made.messages.templates[1].expect] == [type(None), bool, int, float]


def test_a_secret_of_the_environment_is_known_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSTUI_API_TOKEN", "hush")
    monkeypatch.setenv("WSTUI_COLOUR", "red")
    made = loads(HEAD + template(payload="'{{env WSTUI_API_TOKEN}} {{ env WSTUI_COLOUR }}'"), "x.toml", {})
    assert isinstance(made, Scenario)
    assert variables(made.messages.templates[0].payload) == ["WSTUI_API_TOKEN", "WSTUI_COLOUR"]
    assert secrets_of(made) == ["hush"] and "hush" not in dumps(made)


def test_payloads_that_no_process_could_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_bytes(b"x" * (1 << 20))
    text = "".join(template(name=f'"{n}"', file=f"'{tmp_path / 'big.txt'}'") for n in range(17))
    assert problems(text) == ["messages.templates: are larger than 16 MiB together: a worker keeps all of them"]
    (tmp_path / "big.txt").write_bytes(b"x" * ((1 << 20) + 1))
    assert "is larger than 1 MiB" in problems(template(file=f"'{tmp_path / 'big.txt'}'"))[0]


def test_bad_values_stay_bad_values() -> None:
    assert issubclass(BadPlaceholder, BadValue)
