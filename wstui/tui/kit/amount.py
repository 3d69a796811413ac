"""Numbers of clients as people write them."""

from __future__ import annotations

import re

from wstui.measure.format import count

MOST_CLIENTS = 10_000_000


def without_groups(text: str) -> str:
    """A number without what parts its thousands: 12 000, 12_000 or 12,000. Another comma stays: it isn't a number."""
    plain = text.replace(" ", "").replace("_", "")
    return plain.replace(",", "") if re.match(r"[1-9]\d{0,2}(,\d{3})+(?!\d)", plain) else plain


def parse_clients(text: str) -> int:
    """A number of clients: 12000, 12 000 or 12k."""
    plain = without_groups(text).lower()
    factor = 1
    if plain.endswith("k"):
        plain, factor = plain[:-1], 1000
    try:
        number = float(plain) * factor
        if number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is not a number of clients: write 12000 or 12k') from None
    if not 0 <= number <= MOST_CLIENTS:
        raise ValueError(f"{text} is out of range: write 0 to {count(MOST_CLIENTS)}")
    return int(number)
