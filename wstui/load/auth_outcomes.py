"""Who was let in, by the kind of token that each client brought, where a scenario mixes good and bad ones."""

from __future__ import annotations

from wstui.load.connect_outcome import Cause, Outcome
from wstui.measure.counters import Tally
from wstui.measure.snapshot import Admitted
from wstui.scenario.token_mix import TokenKind

_TURNED_AWAY = ("http 401", "http 403", "close ")


class AuthOutcomes:
    """The books of one worker.

    A good token is treated rightly when its client becomes ready; any other when its client is turned away for it:
    by HTTP 401 or 403, or by a close frame before it was ready. A timeout or a rate limit proves nothing.
    """

    def __init__(self, mix: list[TokenKind], tally: Tally) -> None:
        self._mix = mix
        self._tally = tally

    def ended(self, number: int, outcome: Outcome, cause: Cause | None = None) -> None:
        """Count the outcome of an attempt of client `number`. One that our own end cut short proves nothing."""
        if outcome is Outcome.DRAINED:
            return
        row, good = self._row(number), self._kind(number) == "good"
        counters = self._tally.counters
        counters.auth_checked += 1
        row.attempted += 1
        if outcome is Outcome.READY:
            row.ready += 1
            counters.auth_correct += good
        elif outcome is Outcome.REFUSED and cause is not None and cause.kind.startswith(_TURNED_AWAY):
            row.refused += 1
            counters.auth_correct += not good
        else:
            row.other += 1

    def _row(self, number: int) -> Admitted:
        return self._tally.admitted.setdefault(self._kind(number), Admitted())

    def _kind(self, number: int) -> TokenKind:
        return self._mix[number % len(self._mix)]
