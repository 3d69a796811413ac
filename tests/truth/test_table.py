"""Every fault of the table has the verdict, the name and the counts that are right."""

from __future__ import annotations

import asyncio

import pytest

from tests.truth.case import Case, Row
from tests.truth.table import GROUPS, of_group, of_people


async def _of(group: str) -> list[Row]:
    return [row async for row in of_group(group)]


@pytest.mark.parametrize("group", GROUPS)
def test_each_fault_is_named_and_none_is_green(group: str) -> None:
    rows = asyncio.run(_of(group)) + of_people(group)
    assert len(rows) == len(GROUPS[group]) > 0
    assert not [f"{row.name}: {'; '.join(row.wrong)}" for row in rows if row.wrong]


def test_no_fault_is_green() -> None:
    rights = [case.right for cases in GROUPS.values() for case in cases if isinstance(case, Case)]
    assert not [right for right in rights if right.verdict == "PASSED" and (right.failures or right.finding)]


def test_no_two_faults_have_one_name() -> None:
    names = [case.name for cases in GROUPS.values() for case in cases]
    assert len(names) == len(set(names)) >= 100
