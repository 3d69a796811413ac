"""Other load testers: where they are, how they are told to make a load, and what they report of it.

Every one gets the same orders: so many clients, each sending a ping every so many seconds (0: as soon as it has its
answer) for so many seconds; in a conversation they log in first, and match each answer by its
number. Scripts are what the documentation of each tool leads to.
"""

from __future__ import annotations

from tests.bench.tools import artillery, k6, locust, own, tsung
from tests.bench.tools.order import Order, Report, Tool, on_path, says

__all__ = ["TOOLS", "Order", "Report", "Tool"]

TOOLS = (
    own.TOOL,
    *k6.TOOLS,
    artillery.TOOL,
    tsung.TOOL,
    locust.TOOL,
    # Its dependencies are git addresses, so the npm registry alone can't install it; found, it would only be named.
    Tool("thor", on_path("thor"), says("--version"), lambda program, _order: [program, "--help"], lambda *_: Report()),
    *own.SCRIPTS,
)
