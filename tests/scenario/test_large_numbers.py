"""Numbers of any length are refused by name and bound, wherever they are written: int() reads 4300 digits at most."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from wstui.cli import wstui
from wstui.odin.faults import FaultUnknown, parse_faults
from wstui.scenario.errors import BadValue, ScenarioError
from wstui.scenario.file import loads
from wstui.scenario.overrides import apply
from wstui.tui.editor.field_text import _number, _value
from wstui.tui.kit.amount import parse_clients
from wstui.tui.settings import read_settings

NINES = "9" * 5000
LARGE = {
    "digits": NINES,
    "negative": f"-{NINES}",
    "grouped": "9" + "_999" * 2000,
    "hexadecimal": "0x" + "f" * 5000,
    "beyond floats": "9" * 400,
    "text": f'"{NINES}"',
    "reference": '"${LONG}"',
    "exponent": "9e999",
}
STAGES = '[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n'
PLACES = {
    "stages[0].clients": '[[stages]]\nname = "a"\nover = "1s"\nclients = {}\n',
    "stages[0].over": '[[stages]]\nname = "a"\nclients = 1\nover = {}\n',
    "stages[0].arrive": '[[stages]]\nname = "a"\nover = "1s"\nstay = "1s"\narrive = {}\n',
    "stages[0].stay": '[[stages]]\nname = "a"\nover = "1s"\narrive = "1/s"\nstay = {}\n',
    "target.settle": "[target]\nsettle = {}\n" + STAGES,
    "target.max_size": "[target]\nmax_size = {}\n" + STAGES,
    "target.reconnect_attempts": "[target]\nreconnect_attempts = {}\n" + STAGES,
    "messages.every": "[messages]\nevery = {}\n" + STAGES,
    "messages.size": "[messages]\nsize = {}\n" + STAGES,
    "messages.seed": "[messages]\nseed = {}\n" + STAGES,
    "messages.jitter": "[messages]\njitter = {}\n" + STAGES,
    "messages.subscribe_each": "[messages]\nsubscribe_each = {}\n" + STAGES,
    "fleet.workers": "[fleet]\nworkers = {}\n" + STAGES,
    "breakpoint.most": "[breakpoint]\nmost = {}\n",
    "breakpoint.factor": "[breakpoint]\nfactor = {}\n",
    "breakpoint.precision": "[breakpoint]\nprecision = {}\n",
    "thresholds[0].after": STAGES + '[[thresholds]]\nmetric = "response.p99"\nlimit = "< 1s"\nafter = {}\n',
    "roles[0].weight": '[[roles]]\nname = "a"\nweight = {}\n' + STAGES,
    "load.clients": '[load]\nramp = "1s"\nhold = "1s"\nclients = {}\n',
    "load.hold": '[load]\nramp = "1s"\nclients = 1\nhold = {}\n',
}


@pytest.mark.parametrize("place", PLACES)
def test_a_file_s_number_of_any_length_is_refused_by_its_field(place: str) -> None:
    for kind, number in LARGE.items():
        with pytest.raises(ScenarioError) as caught:
            loads(PLACES[place].format(number), "x.toml", {"LONG": NINES})
        assert place in [problem.key for problem in caught.value.problems], (kind, str(caught.value)[:300])
        assert all(len(line) < 600 for line in str(caught.value).splitlines()), kind


def test_the_bound_is_named() -> None:
    with pytest.raises(ScenarioError, match=r"stages\[0\]\.clients.*must be at most 10000000"):
        loads(PLACES["stages[0].clients"].format(NINES))
    with pytest.raises(ScenarioError, match=r"a number of thousands of digits: must be at most 10000000"):
        loads(PLACES["stages[0].clients"].format("0x" + "f" * 5000))
    with pytest.raises(ScenarioError, match=r"about 10\^400: must be at most 10000000"):
        loads(PLACES["stages[0].clients"].format("9" * 400))


def test_a_number_that_has_no_bound_is_refused_all_the_same() -> None:
    text = STAGES + (f'[[roles]]\nname = "a"\nloop = [{{ send = "x", expect = {{ a = {NINES} }} }}]\n')
    with pytest.raises(ScenarioError, match=r"has a number that is too long at line .*: 4300 digits at most"):
        loads(text, "x.toml")


def test_long_digits_in_a_text_are_no_number() -> None:
    made = loads(STAGES + f'[[roles]]\nname = "a"\nloop = [{{ send = "{NINES}" }}]\n')
    assert NINES in str(made)


@pytest.mark.parametrize(
    ("variable", "key"),
    [("MAX_CONNECTIONS", "MAX_CONNECTIONS"), ("TEST_DURATION", "TEST_DURATION"), ("MESSAGE_FREQUENCY",) * 2],
)
def test_a_variable_of_any_length_is_refused_by_its_name(variable: str, key: str) -> None:
    scenario = loads(STAGES)
    for text in (NINES, "9" * 400):
        with pytest.raises(ScenarioError) as caught:
            apply(scenario, {variable: text})  # type: ignore[arg-type]
        assert [problem.key for problem in caught.value.problems] == [key]
        assert "at most" in str(caught.value) and len(str(caught.value)) < 400
    made = apply(scenario, {variable: "0" * 5000 + "7"})  # type: ignore[arg-type]
    assert made.peak_clients == 7 or made.duration_s == 0.007 or made.messages.every == 0.007


FLAGS = ["--clients", "--workers", "--start", "--most", "--scale", "--hold", "--every", "--hosts"]


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_of_any_length_is_refused_by_its_name(flag: str) -> None:
    search = ["--breakpoint-of", "clients"] if flag in ("--start", "--most") else []
    value = {"--hold": f"{NINES}s", "--every": f"{NINES}ms", "--hosts": f"host:{NINES}"}.get(flag, NINES)
    for text in (value, value.replace(NINES, "9" * 400)):
        ended = CliRunner().invoke(wstui, ["check", "quick", *search, flag, text, "--url", "ws://127.0.0.1:9/ws"])
        assert ended.exit_code == 2 and flag in ended.stderr, ended.output[-500:]


@pytest.mark.parametrize("url", [f"ws://h:{NINES}/", f"ws://h:{'0' * 5000}80/", f"ws://{NINES}/"])
def test_a_port_of_any_length_is_no_internal_error(url: str) -> None:
    for text in (f'[target]\nurl = "{url}"\n', f'[target]\nhealth = "{url.replace("ws:", "http:")}"\n'):
        try:
            loads(text + STAGES, "x.toml")
        except ScenarioError as error:
            assert [problem.key.partition(".")[0] for problem in error.problems] == ["target"]


def test_what_is_typed_may_be_of_any_length(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"number of clients|out of range"):
        parse_clients(NINES)
    assert _number(NINES) > 1e300
    assert _value(NINES) == NINES and _value("[" * 3000) == "[" * 3000
    (tmp_path / "config.toml").write_text(f"theme = {NINES}\n")
    assert "cannot be read" in str(read_settings(tmp_path / "config.toml", (), ()).problems[0])
    for text in (f"delay={NINES}s", f"drop={NINES}%", f"leak={NINES}MiB/min", f"freeze=1s@{NINES}s"):
        with pytest.raises(FaultUnknown):
            parse_faults([text])


@pytest.mark.parametrize("text", ["1,5k", "1,5", "12,34", "0,5"])
def test_a_decimal_comma_is_not_taken_for_thousands(text: str) -> None:
    with pytest.raises(ValueError, match="number of clients"):
        parse_clients(text)
    with pytest.raises(BadValue):
        _number(text)
    assert parse_clients("12,000") == 12000 and _number("1,200,000") == 1_200_000
