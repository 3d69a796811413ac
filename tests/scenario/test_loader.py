"""Scenario files are read whole: references, the short form, and every problem of a file at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from wstui.scenario.checks import check, warnings
from wstui.scenario.errors import Problem, ScenarioError, describe
from wstui.scenario.file import load, loads
from wstui.scenario.model import Scenario, Stage, Suite

STAGES = '[[stages]]\nname = "hold"\nover = "30s"\nclients = 10\n'


def read(text: str, **environ: str) -> Scenario:
    scenario = loads(text, "x.toml", environ)
    assert isinstance(scenario, Scenario)
    return scenario


def problems(text: str, **environ: str) -> dict[str, Problem]:
    with pytest.raises(ScenarioError) as caught:
        loads(text, "x.toml", environ)
    assert all(problem.file == "x.toml" for problem in caught.value.problems)
    return {problem.key: problem for problem in caught.value.problems}


def test_units_become_seconds_and_bytes() -> None:
    scenario = read(STAGES + '[messages]\nevery = "250ms"\nsize = "1KiB"\n[target]\nmax_size = 4096\n')
    assert (scenario.messages.every, scenario.messages.size, scenario.target.max_size) == (0.25, 1024, 4096)


def test_a_file_without_a_name_is_named_after_itself() -> None:
    assert read(STAGES).name == "x"


def test_python_may_give_seconds_where_a_file_needs_the_unit() -> None:
    assert Stage(name="hold", over=30).over == 30.0
    assert 'write "30s" or "30ms"' in problems(STAGES.replace('"30s"', "30"))["stages[0].over"].message


def test_references_are_resolved_from_the_environment_also_inside_texts_and_as_numbers() -> None:
    text = STAGES.replace("10", '"${MAX:-100}"') + '[target]\nurl = "ws://${HOST}:${PORT:-3001}/ws"\n'
    scenario = read(text, HOST="example.org", MAX="")
    assert scenario.target.url == "ws://example.org:3001/ws"
    assert scenario.stages[0].clients == 100
    assert read(text, HOST="h", MAX="7").stages[0].clients == 7


def test_a_doubled_dollar_writes_a_literal_reference() -> None:
    assert read('description = "costs $5, $${NAME}"\n' + STAGES).description == "costs $5, ${NAME}"


def test_an_unset_variable_is_named_with_its_key() -> None:
    found = problems(STAGES + '[auth]\nkind = "jwt"\nsecret = "${JWT_SECRET}"\n')
    assert list(found) == ["auth.secret"]
    assert "JWT_SECRET is not set" in found["auth.secret"].message
    assert found["auth.secret"].value == '"${JWT_SECRET}"'


def test_a_variable_with_a_bad_value_is_shown_with_its_reference() -> None:
    found = problems(STAGES.replace("10", '"${MAX:-100}"'), MAX="many")["stages[0].clients"]
    assert found.value == '"many" (from ${MAX:-100})'


@pytest.mark.parametrize("raw", ["${", "${}", "${1X}", "${NAME", "${NAME-default}"])
def test_half_a_reference_is_an_error(raw: str) -> None:
    assert "not a reference" in problems(f"description = '{raw}'\n" + STAGES)["description"].message


def test_the_short_form_makes_stages() -> None:
    scenario = read('[load]\nclients = 50\nramp = "5s"\nhold = "1m"\ncooldown = "10s"\n')
    assert [(stage.name, stage.over, stage.clients) for stage in scenario.stages] == [
        ("ramp", 5.0, 50),
        ("hold", 60.0, None),
        ("cooldown", 10.0, 0),
    ]
    assert scenario.stages[2].is_cooldown


def test_the_short_form_tells_its_problems_under_its_own_keys() -> None:
    found = problems('[load]\nclients = 0.5\nhold = 60\nhodl = "1s"\n')
    assert set(found) == {"load.clients", "load.ramp", "load.hold", "load.hodl"}
    assert found["load.hodl"].nearest == "hold"


def test_both_forms_of_the_load_are_one_too_many() -> None:
    assert set(problems(STAGES + '[load]\nclients = 1\nramp = "1s"\nhold = "1s"\n')) == {"load"}


def test_every_problem_of_a_file_is_told_at_once() -> None:
    found = problems(
        """
nmae = "x"
[target]
url = "http://localhost:3001/ws"
ready = "welcom"
connect_timeout = 5
[auth]
kind = "jwt"
[[stages]]
name = "ramp"
over = "10 seconds"
clients = -1
[[stages]]
name = "ramp"
over = "10s"
[messages]
timeout = "0s"
exchange = "orden"
[[thresholds]]
metric = "respons.mean"
limit = "< 5ms"
[[thresholds]]
metric = "response.mean"
limit = "< 5"
stage = "rampe"
[fleet]
local_addresses = ["127.0.0.1", "localhost"]
"""
    )
    assert {key: problem.nearest for key, problem in found.items()} == {
        "nmae": "name",
        "target.url": "ws://localhost:3001/ws",
        "target.ready": "welcome",
        "target.connect_timeout": "",
        "auth.secret": "",
        "stages[0].over": "10s",
        "stages[0].clients": "",
        "stages[1].name": "",
        "messages.timeout": "",
        "messages.exchange": "odin",
        "thresholds[0].metric": "response.mean",
        "thresholds[1].limit": "< 5ms",
        "thresholds[1].stage": "ramp",
        "fleet.local_addresses[1]": "127.0.0.1",
    }


def test_the_text_of_an_error_names_file_key_value_and_remedy() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(STAGES + '[target]\nready = "opn"\n', "x.toml", {})
    assert str(caught.value) == ('x.toml: target.ready = "opn": must be "welcome" or "open"; did you mean "open"?')


@pytest.mark.parametrize(("key", "near"), [("fanout = 1", "messages.fanout"), ("thresholdz = 1", "thresholds")])
def test_a_key_without_its_table_is_told_where_it_belongs(key: str, near: str) -> None:
    with pytest.raises(ScenarioError, match=f'is not a key; did you mean "{near}"'):
        loads(f"{key}\n{STAGES}", "x.toml", {})


def test_the_text_of_an_error_can_be_fitted_to_a_terminal() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads('name = 1\nfoo = 2\n[auth]\nkind = "jwt"\n[target]\nurl = "localhost"\n', "x.toml", {})
    assert str(caught.value).startswith("x.toml: 5 problems\n  name = 1: must be a text in quotes\n")
    assert max(map(len, describe(caught.value.problems, 80).splitlines())) <= 80


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ('url = "ws://h"', "url", "target.url"),
        ("workers = 1", "workers", "fleet.workers"),
        ("[mesages]", "mesages", "messages"),
        ("[messages]\ninterval = 1", "messages.interval", "every"),
        ('suites = ["a"]', "suites", "suite"),
    ],
)
def test_an_unknown_key_is_told_where_it_belongs(text: str, key: str, nearest: str) -> None:
    assert problems(f"{text}\n{STAGES}")[key].nearest == nearest


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('name = "x\n', "line 1, column 10"),
        ("a = 1\nb = = 2\n", "line 2, column 5"),
        ("a = 1\na = 2\n", "line 2"),
        ('name = "x', "line 1, column 10"),
        ("[target\n", "line 1"),
    ],
)
def test_broken_toml_is_told_by_line_and_column(text: str, where: str) -> None:
    assert where in problems(text)[""].message


def test_a_number_that_is_too_long_for_python_is_told_by_its_field() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(f"[[stages]]\nclients = 1{'0' * 5000}\n", "t.toml")
    assert "stages[0].clients = a number of thousands of digits: must be at most 10000000" in str(caught.value)


def test_broken_toml_does_not_show_the_rest_of_its_line() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads('[auth]\ntoken = "hidden\n', "x.toml", {})
    assert "hidden" not in str(caught.value) and '"token"' in str(caught.value)


@pytest.mark.parametrize(
    ("url", "nearest"),
    [
        ("https://h/ws", "wss://h/ws"),
        ("localhost:3001/ws", "ws://localhost:3001/ws"),
        ("[::1]:3001/ws", "ws://[::1]:3001/ws"),
        ("wsss://h/ws", "wss://h/ws"),
        ("htp:/h/ws", ""),
        ("h:port/ws", ""),
        ("ws://h/ws#top", "ws://h/ws"),
        ("ws://", ""),
        ("ws://h:0/", ""),
        ("ws://h:99999/", ""),
        ("ws://[::1/", ""),
        ("ws://a b/", ""),
        ("", ""),
        ("ftp://h/", ""),
    ],
)
def test_what_is_no_websocket_url_is_refused(url: str, nearest: str) -> None:
    assert problems(f'{STAGES}[target]\nurl = "{url}"\n')["target.url"].nearest == nearest


@pytest.mark.parametrize("url", ["ws://localhost", "wss://[::1]:8443/ws?a=b", "WS://h/", "ws://u:p@h/"])
def test_websocket_urls_are_accepted(url: str) -> None:
    assert read(f'{STAGES}[target]\nurl = "{url}"\n').target.url == url


def test_secrets_are_masked_in_every_problem() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(
            """
[auth]
kind = "token"
token = ["hidden"]
tokn = "hidden"
secret = "${NOPE}${NOT:-hidden}"
[target]
url = "https://u:hidden@h/?token=hidden#x"
[target.headers]
Authorization = "Bearer hidden\\n"
""",
            "x.toml",
            {},
        )
    assert len(caught.value.problems) == 6
    assert "hidden" not in str(caught.value)


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(STAGES + '"\\u001b[2J" = 1\n[target]\nready = "\\u001b]0;x"\n', "x.toml", {})
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "stages"),
        ('[[stages]]\nname = "hold"\nover = "1s"\n', "stages[0].clients"),
        ('[[stages]]\nname = "hold"\nover = "1s"\nclients = 0\n', "stages"),
        ('[[stages]]\nname = "hold"\nover = "0s"\nclients = 1\n', "stages"),
        (STAGES + '[target]\nca_file = "no/such.pem"\n', "target.ca_file"),
        (STAGES + '[target]\nkey_file = "/dev/null"\n', "target.key_file"),
        (STAGES + '[target]\nhealth = "of"\n', "target.health"),
        (STAGES + '[target.headers]\nUpgrade = "x"\n', "target.headers.Upgrade"),
        (STAGES + '[target.headers]\n"A B" = "x"\n', 'target.headers."A B"'),
        (STAGES + '[target.headers]\nA = "x\\r\\nB: y"\n', "target.headers.A"),
        (STAGES + '[target]\nsubprotocols = ["a b"]\n', "target.subprotocols[0]"),
        (STAGES.replace("[[stages]]", "[stages]"), "stages"),
        (STAGES.replace("10", "true"), "stages[0].clients"),
        (STAGES + '[auth]\nkind = "jwt"\n', "auth.secret"),
        ("target = 5\n" + STAGES, "target"),
        ("stages = [1]\n", "stages[0]"),
    ],
)
def test_what_cannot_be_run_is_refused_by_key(text: str, key: str) -> None:
    assert key in problems(text)


def test_a_scenario_made_in_python_is_checked_the_same() -> None:
    with pytest.raises(ScenarioError, match="stages"):
        check(Scenario())
    scenario = Scenario(stages=[Stage(name="hold", over=1, clients=1)])
    assert check(scenario) is scenario


def test_what_has_no_effect_is_a_warning() -> None:
    advice = warnings(
        read(
            STAGES
            + """
[target]
insecure = true
[messages]
exchange = "listen"
every = "5s"
[[thresholds]]
metric = "response.mean"
limit = "< 5ms"
[[thresholds]]
metric = "connect.success"
limit = "> 5%"
after = "30s"
"""
        )
    )
    assert [line.split()[0] for line in advice] == [
        "messages.every",
        "response.mean",
        "target.insecure",
        "connect.success",
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[auth]\ntoken = "hidden"\n', "auth.token"),
        ('[auth]\ntoken = "${AUTH_TOKEN:-hidden}"\n', "auth.token"),
        ('[target]\nurl = "ws://h/?token=hidden"\n', "target.url"),
        ('[target]\nurl = "${WS_URL:-ws://u:hidden@h/}"\n', "target.url"),
        ('[target.headers]\nAuthorization = "Bearer hidden"\n', "target.headers.Authorization"),
    ],
)
def test_a_literal_secret_is_a_warning_that_does_not_show_it(text: str, key: str) -> None:
    (advice,) = warnings(read(STAGES + text))
    assert advice.startswith(key) and "hidden" not in advice


@pytest.mark.parametrize(
    "text",
    [
        '[auth]\ntoken = "${AUTH_TOKEN:-}"\n',
        '[target]\nurl = "ws://${USER}:${WORD}@h/?token=${WORD}"\n',
        '[target.headers]\nAuthorization = "Bearer ${WORD}"\nCookie = "session=${WORD}"\n',
    ],
)
def test_a_secret_that_is_referred_to_is_no_warning(text: str) -> None:
    assert warnings(read(STAGES + text, USER="u", WORD="hidden")) == []


def test_a_file_is_read_as_utf_8_with_or_without_mark_and_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + STAGES.replace("\n", "\r\n").encode())
    scenario = load(path, {})
    assert scenario.name == "mine" and scenario.origin.file == str(path)


@pytest.mark.parametrize(
    "content",
    [b"name = '\xff'", b"#" * (1 << 20) + b"\n#", b"a = " + b"[" * 100_000],
    ids=["no UTF-8", "too large", "too deep"],
)
def test_what_is_no_scenario_file_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError):
        load(path, {})


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="does not exist"):
        load(tmp_path / "no.toml", {})
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path, {})


def test_overrides_stand_in_for_what_a_file_cannot_say() -> None:
    text = STAGES + '[target]\nurl = "${NOT_SET}"\n'
    assert loads(text, "", {}, {"target.url": "ws://given"}).target.url == "ws://given"  # type: ignore[union-attr]


def test_a_suite_names_presets() -> None:
    suite = loads('suite = ["quick", "medium"]\ncooldown = "8m"\n', "x.toml", {})
    assert suite == Suite(name="x", suite=["quick", "medium"], cooldown=480.0)


def test_a_suite_has_no_load_of_its_own() -> None:
    found = problems('suite = []\ncooldwon = "8m"\n' + STAGES)
    assert set(found) == {"suite", "cooldwon", "stages"}
    assert found["cooldwon"].nearest == "cooldown"
