"""Every fault of the table has the verdict, the name and the counts that are right."""

from __future__ import annotations

import pytest

from tests.truth.table import GROUPS, of_group


@pytest.mark.parametrize("group", GROUPS)
async def test_each_fault_is_named_and_none_is_green(group: str) -> None:
    rows = [row async for row in of_group(group)]
    assert len(rows) == len(GROUPS[group]) > 0
    assert not [f"{row.name}: {'; '.join(row.wrong)}" for row in rows if row.wrong]


def test_no_two_faults_have_one_name() -> None:
    names = [case.name for cases in GROUPS.values() for case in cases]
    assert len(names) == len(set(names))
