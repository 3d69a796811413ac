"""Source addresses: single ones, ranges, networks and interfaces."""

import pytest

from wstui.scenario.errors import BadValue
from wstui.scenario.model import Fleet
from wstui.scenario.source_addresses import check_source, source_addresses


def test_ranges_and_networks_stand_for_each_of_their_addresses_once() -> None:
    fleet = Fleet(local_addresses=["127.0.0.1 - 127.0.0.40", "10.0.0.5/28", "127.0.0.40", "::1"])
    assert fleet.local_addresses == ["127.0.0.1-127.0.0.40", "10.0.0.0/28", "127.0.0.40", "::1"]
    assert len(fleet.sources) == 40 + 14 + 1
    assert fleet.sources[0] == "127.0.0.1" and fleet.sources[39:41] == ["127.0.0.40", "10.0.0.1"]


def test_an_interface_stands_for_its_addresses_on_the_machine_that_uses_it() -> None:
    assert Fleet(local_addresses=["lo:*"]).local_addresses == ["lo:*"]
    assert "127.0.0.1" in source_addresses(["lo:*"])
    assert source_addresses(["nosuch0:*"]) == ["nosuch0:*"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("127.0.0.9-127.0.0.2", "ends before it begins"),
        ("127.0.0.1-::1", "one kind of IP address to the other"),
        ("127.0.0.0/8", "65536 at most"),
        ("10.0.0.0/33", "is a network of 33 bits: 32 at most"),
        ("10.0.0.0/255.0.255.0", "is not an IP address"),
        ("::1/129", "is a network of 129 bits: 128 at most"),
        ("localhost", 'a range "127.0.0.1-127.0.0.40"'),
    ],
)
def test_anything_else_is_refused_with_an_example(text: str, told: str) -> None:
    with pytest.raises(BadValue, match=told):
        check_source(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("127.0.0.1-40", "127.0.0.1-127.0.0.40"),
        ("10.0.0.*", "10.0.0.0/24"),
        ("eth0", "eth0:*"),
        ("10.0.0.9-2", ""),
        ("256.1.1.1", ""),
        ("", ""),
    ],
)
def test_what_was_probably_meant_is_proposed(text: str, meant: str) -> None:
    with pytest.raises(BadValue, match="is not an IP address") as caught:
        check_source(text)
    assert caught.value.nearest == meant


def test_several_in_one_text_are_told_apart_from_a_wrong_one() -> None:
    with pytest.raises(BadValue, match="is more than one: repeat --local-address"):
        check_source("127.0.0.1,127.0.0.2")
