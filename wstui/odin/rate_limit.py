"""Token buckets: how many events a second may pass, per address and in total."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

ADDRESSES_MAX = 10_000


class TokenBucket:
    """Let `rate` events a second pass, and a burst of one second's worth."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        """`rate` in events per second, above 0; `now` in seconds of any clock that never goes back."""
        self._rate = rate
        self._burst = max(1.0, rate)
        self._tokens, self._at = self._burst, now

    def take(self, now: float) -> bool:
        """Return whether one more event may pass now, and count it if so."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True

    def give_back(self) -> None:
        """Undo one `take`: the event did not happen."""
        self._tokens = min(self._burst, self._tokens + 1.0)

    def retry_after(self) -> int:
        """Return the whole seconds, at least 1, until an event may pass again."""
        return max(1, math.ceil((1.0 - self._tokens) / self._rate))


class RateLimit:
    """A limit for all events and one per address; a rate of 0 sets no limit.

    An IPv6 client owns its /64 network, so that counts as its address. At most `ADDRESSES_MAX` addresses are
    remembered; the least recently seen is forgotten first.
    """

    def __init__(self, rate: float, rate_per_address: float) -> None:
        self._all = TokenBucket(rate, -math.inf) if rate > 0 else None
        self._rate_per_address = rate_per_address
        self._addresses: OrderedDict[str, TokenBucket] = OrderedDict()

    @property
    def limits(self) -> bool:
        """Return whether either limit is set."""
        return self._all is not None or self._rate_per_address > 0

    def take(self, address: str, now: float) -> int:
        """Return 0 if one more event of `address` may pass now, else the seconds after which to retry."""
        own = None
        if self._rate_per_address > 0:
            own = self._bucket(address, now)
            if not own.take(now):
                return own.retry_after()
        if self._all is not None and not self._all.take(now):
            if own is not None:
                own.give_back()
            return self._all.retry_after()
        return 0

    def _bucket(self, address: str, now: float) -> TokenBucket:
        key = _network(address)
        bucket = self._addresses.get(key)
        if bucket is None:
            if len(self._addresses) >= ADDRESSES_MAX:
                self._addresses.popitem(last=False)
            bucket = self._addresses[key] = TokenBucket(self._rate_per_address, now)
        else:
            self._addresses.move_to_end(key)
        return bucket


def _network(address: str) -> str:
    """Return the address itself, or the /64 network of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        packed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(packed.ipv4_mapped) if packed.ipv4_mapped else packed.exploded[:19]
