"""Every number that a command line takes is one, finite, within bounds: or the option is named with what it may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from wstui.cli import wstui as commands
from wstui.cli.param_types import Finite, Whole
from wstui.control.words import Parsed


def options() -> Iterator[tuple[tuple[str, ...], str, click.ParamType[Any]]]:
    """Command, flag and type of each option that takes a number."""

    def of(
        path: tuple[str, ...], command: click.Command
    ) -> Iterator[tuple[tuple[str, ...], str, click.ParamType[Any]]]:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                yield from of((*path, name), child)
        for parameter in command.params:
            if not isinstance(
                parameter.type,
                (click.types.StringParamType, click.Path, click.Choice, click.types.BoolParamType, Parsed),
            ):
                yield path, parameter.opts[0], parameter.type

    yield from of((), commands)


@pytest.mark.parametrize("value", ["nan", "-inf", "", " ", "٣", "1_0", "0x10", "1,5", "ten"])
def test_what_is_no_number_is_a_usage_error_of_every_option(value: str) -> None:
    for path, flag, kind in options():
        assert isinstance(kind, (Finite, Whole)), (path, flag)
        with pytest.raises(click.BadParameter, match=r"is not a (whole )?number"):
            kind.convert(value, None, None)


@pytest.mark.parametrize("value", ["1e999", "9" * 400, "9" * 5000])
def test_what_is_larger_than_any_number_is_too_much_for_every_option(value: str) -> None:
    for path, flag, kind in options():
        assert isinstance(kind, (Finite, Whole)), (path, flag)
        try:
            number = kind.convert(value, None, None)
        except click.BadParameter as error:
            assert re.search("is too much: .* at most|is more than any|is not a whole number", error.message), (
                path,
                flag,
            )
        else:
            assert number > 1e29 and flag in ("--clients", "--workers", "--start", "--most"), (path, flag)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("token", "--ttl", "1e300"), "'--ttl': 1e300 is too much: 315360000 at most"),
        (("token", "--ttl", "0"), "'--ttl': 0 is too little: 1 at least"),
        (("server", "--heartbeat", "1e300"), "'--heartbeat': 1e300 is too much: 86400 at most"),
        (("publisher", "--rate", "-1"), "'--rate': -1 is too little: 0 at least"),
        (("run", "quick", "--progress-every", "0"), "'--progress-every': 0 is too little: 0.25 at least"),
        (("run", "quick", "--clients", "2.5"), "'--clients': '2.5' is not a whole number"),
        (("runs", "list", "--limit", "0"), "'--limit': 0 is too little: 1 at least"),
    ],
)
def test_what_is_out_of_bounds_is_told_with_the_bound(arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 2 and words in result.stderr
