"""OCPP-J 1.6 and 2.0.1: charge points calling their central system, and being called by it.

Written by hand: a frame is one JSON array; the Python library brings a task for each call.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.protocols.plain import document
from wstui.scenario.conversation.dialect import (
    BadKey,
    Decode,
    Dialect,
    Heard,
    Json,
    Malformed,
    Said,
    Table,
    reply,
    text,
    with_path,
)


class OcppOptions(msgspec.Struct, kw_only=True):
    """The keys of [target.options]."""

    version: Annotated[Literal["1.6", "2.0.1"], Meta(description="the version that charge points offer")] = "1.6"
    boot: Annotated[
        dict[str, Any] | None, Meta(description="BootNotification's payload; unset: one of a charger; {}: none is sent")
    ] = None
    answers: Annotated[
        dict[str, dict[str, Any]],
        Meta(description='answers to the server\'s calls: { Reset = { status = "Rejected" } }'),
    ] = {}


class OcppKeys(msgspec.Struct, kw_only=True):
    """The keys of a step."""

    call: Annotated[str, Meta(description="the action; expect and capture read the payload of its result")] = ""
    data: Annotated[dict[str, Any], Meta(description="the payload of the call")] = {}


_BOOTS: dict[str, Table] = {
    "1.6": {"chargePointVendor": "wstui", "chargePointModel": "load"},
    "2.0.1": {"reason": "PowerUp", "chargingStation": {"model": "load", "vendorName": "wstui"}},
}
_ACCEPTED = {"status": "Accepted"}
_OTHER = "other"


class Ocpp(Dialect):
    """OCPP-J, see the page of the manual."""

    title = "OCPP 1.6 and 2.0.1: charge points"
    option_keys, step_keys = OcppOptions, OcppKeys
    kinds = ("action", "type")
    options: OcppOptions

    def address(self, url: str) -> str:
        return with_path(url, "/CP{{client}}")

    def subprotocols(self) -> list[str]:
        return [f"ocpp{self.options.version}"]

    def opening(self) -> list[Table]:
        boot = _BOOTS[self.options.version] if self.options.boot is None else self.options.boot
        if not boot:
            return []
        # A pending charge point may not do anything else either: it is refused, under the server's own word.
        refused = [{"status": "Rejected"}, {"status": "Pending"}]
        given: Table = {"name": "BootNotification", "expect": _ACCEPTED, "refuse": refused}
        table = self._called("BootNotification", boot, given | {"capture": {"_beat": "interval"}})
        return [table | {"reason": ["data.status"]}]

    def step(self, keys: OcppKeys, given: Table) -> Table:
        if not keys.call:
            raise BadKey(("call",), 'is missing: write call = "Heartbeat"')
        return self._called(keys.call, keys.data, given)

    def _called(self, action: str, data: Table, given: Table) -> Table:
        table = given | {"frames": text(Json([2, "{{seq text}}", action, data]))}
        own = {"id": "{{seq text}}"}
        return reply(table, {"type": "result"} | own, "data", {"type": "error"} | own, reason=["code", "description"])

    def begins_with(self) -> list[Table]:
        if self.options.version == "1.6":
            return []
        status = {"connectorStatus": "Available", "evseId": 1, "connectorId": 1, "timestamp": "{{timestamp iso}}"}
        return [{"name": "status", "call": "StatusNotification", "data": status}]

    def said(self, frame: str | bytes, heard: Heard) -> list[Said]:
        """Return the first BootNotification as an option, and later heartbeats as what the charge point does itself."""
        match document(frame):
            case [2, str(own), "BootNotification", dict(boot)] if not heard.kept:
                heard.kept["boots"] = True
                return [Said({"boot": boot}, own, opens=True)]
            case [2, str(own), "Heartbeat", _] if heard.kept.get("boots"):
                return [Said({}, own)]
            case [2, str(own), str(action), dict(data)]:
                boots = heard.kept.setdefault("boots", False)
                opening = [] if boots or "told" in heard.kept else [Said({"boot": {}}, opens=True)]
                heard.kept["told"] = True
                return [*opening, Said({"call": action, "data": data}, own)]
            case [3, str(own), dict(payload)]:
                asked = next((m["action"] for m in heard.received if m.get("id") == own and "action" in m), "")
                return [Said({"answers": {asked: payload}}, opens=True)] if asked else []
        raise Malformed("neither a call nor a result")

    def rules(self) -> dict[str, list[Table]]:
        answers = self.options.answers | {_OTHER: _ACCEPTED}
        rules: dict[str, list[Table]] = {
            "answer": [
                {"on": {"type": "call", "answer": action}, "frames": _result(payload)}
                for action, payload in answers.items()
            ]
        }
        if self.options.boot != {}:
            beat = self._called("Heartbeat", {}, {})
            rules["heartbeats"] = [{"every": "{{_beat}}s", "frames": beat["frames"], "expect": beat["expect"]}]
        return rules

    def decoder(self) -> Decode:
        return partial(decode, frozenset(self.options.answers))


def _result(payload: Table) -> list[Any]:
    return text(Json([3, "{{message.id}}", payload]))


def decode(
    answered: Collection[str], _kept: Any, _binary: bool, payload: bytes
) -> tuple[Sequence[tuple[Any, bytes]], None]:
    """Return a call (action, data), a result (data) or an error (code, description, details), each with its id.

    A call also has its `answer`: its action if that is one of the `answered`, else "other".
    """
    found = document(payload)
    made: Table
    if type(found) is list and len(found) == 3 and found[0] == 3 and type(found[1]) is str:
        made = {"type": "result", "id": found[1], "data": found[2]}
        return ((made, payload),), None
    match found:
        case [2, str(id_), str(action), dict(data)]:
            made = {"type": "call", "id": id_, "action": action, "data": data}
            made["answer"] = action if action in answered else _OTHER
        case [4, str(id_), code, *rest]:
            description, details, *_ = *rest, "", {}
            made = {"type": "error", "id": id_, "code": code, "description": description, "details": details}
        case _:
            raise Malformed("neither a call, a result nor an error")
    return ((made, payload),), None


KINDS = {"ocpp": Ocpp}
