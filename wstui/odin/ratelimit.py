"""Token buckets: how many events a second may pass, for each address and for all together."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

ADDRESSES_MAX = 10_000


class TokenBucket:
    """Lets `rate` events a second pass, and as many at once as come in one second."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        """`rate` in events per second, above 0; `now` in seconds of any clock that never goes back."""
        self._rate = rate
        self._burst = max(1.0, rate)
        self.refill(now)

    @property
    def state(self) -> tuple[float, float]:
        """The tokens that there were, and when; may be set to what it was."""
        return self._tokens, self._at

    @state.setter
    def state(self, state: tuple[float, float]) -> None:
        self._tokens, self._at = state

    def refill(self, now: float) -> None:
        """As if nothing had passed yet."""
        self._tokens, self._at = self._burst, now

    def take(self, now: float) -> bool:
        """Whether one more event may pass now; if so, it is counted."""
        # Clocks of several processes may be a little apart: time that was counted is not counted again.
        tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = max(now, self._at)
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True

    def give_back(self) -> None:
        """Undo one `take`: the event did not happen after all."""
        self._tokens = min(self._burst, self._tokens + 1.0)

    def retry_after(self) -> int:
        """Whole seconds, at least 1, until an event may pass again."""
        return max(1, math.ceil((1.0 - self._tokens) / self._rate))


class RateLimit:
    """One limit for all events and one for those of each address; a rate of 0 sets no limit.

    An IPv6 client owns its /64 network, so that is its address here. At most `ADDRESSES_MAX` addresses are
    remembered; the one not seen for longest is forgotten first.
    """

    def __init__(self, rate: float, rate_per_address: float) -> None:
        self._all = TokenBucket(rate, -math.inf) if rate > 0 else None
        self._rate_per_address = rate_per_address
        self._addresses: OrderedDict[str, TokenBucket] = OrderedDict()

    @property
    def limits(self) -> bool:
        """Whether there is any limit at all."""
        return self._all is not None or self._rate_per_address > 0

    def take(self, address: str, now: float) -> int:
        """0 when one more event of `address` may pass now, else the seconds after which to try again."""
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
        key = network(address)
        bucket = self._addresses.get(key)
        if bucket is None:
            if len(self._addresses) >= ADDRESSES_MAX:
                self._addresses.popitem(last=False)
            bucket = self._addresses[key] = TokenBucket(self._rate_per_address, now)
        else:
            self._addresses.move_to_end(key)
        return bucket


def network(address: str) -> str:
    """The address itself, or the /64 network of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        packed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(packed.ipv4_mapped) if packed.ipv4_mapped else packed.exploded[:19]
