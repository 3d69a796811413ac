"""Lost load processes and machines in words: what is gone, what is left, who took over."""

from __future__ import annotations

from wstui.execution.boxes import named
from wstui.fleet.fleet import Fleet
from wstui.fleet.transport import Box


class Losses:
    """Tells a machine that is lost once, however many load processes it had."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._told: set[str] = set()

    def tell(self, shard: int, reason: str) -> str:
        """What to mark on the timeline, "" when it was told already."""
        box = next((box for box in self._fleet.boxes() if shard in box.shards), None)
        if box is None:
            return f"shard {shard} lost: {reason}"
        if box.alive:
            return f"shard {shard} on {box.name} lost: {reason}"
        if box.name in self._told:
            return ""
        self._told.add(box.name)
        gone = sum(self._fleet.clients_lost(member) for member in box.shards)
        left = sum(
            snapshot.counters.open
            for member, snapshot in self._fleet.latest().items()
            if self._fleet.alive(member) and member not in box.shards
        )
        processes = "load process" if len(box.shards) == 1 else "load processes"
        return f"{box.name} lost: {box.reason}; {len(box.shards)} {processes} and {gone} clients gone, {left} left"

    def taken_over(self, lost: list[int]) -> str:
        """Who makes the load of these now."""
        heirs = sorted(self._fleet.members())[-len(lost) :]
        boxes: list[Box] = [box for box in self._fleet.boxes() if any(heir in box.shards for heir in heirs)]
        where = f" on {named([box.name for box in boxes])}" if boxes else ""
        return f"{len(lost)} new load process{'' if len(lost) == 1 else 'es'}{where} took over"
