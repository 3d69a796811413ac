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
    Json,
    Malformed,
    RecordedState,
    RecordedStep,
    Table,
    reply,
    text,
    with_path,
)


class OcppOptions(msgspec.Struct, kw_only=True):
    version: Annotated[Literal["1.6", "2.0.1"], Meta(description="the version that charge points offer")] = "1.6"
    boot: Annotated[
        dict[str, Any] | None, Meta(description="BootNotification's payload; unset: one of a charger; {}: none is sent")
    ] = None
    answers: Annotated[
        dict[str, dict[str, Any]],
        Meta(description='answers to the server\'s calls: { Reset = { status = "Rejected" } }'),
    ] = {}


class OcppKeys(msgspec.Struct, kw_only=True):
    call: Annotated[str, Meta(description="the action; expect and capture read the payload of its result")] = ""
    data: Annotated[dict[str, Any], Meta(description="the payload of the call")] = {}


_BOOTS: dict[str, Table] = {
    "1.6": {"chargePointVendor": "wstui", "chargePointModel": "load"},
    "2.0.1": {"reason": "PowerUp", "chargingStation": {"model": "load", "vendorName": "wstui"}},
}
_ACCEPTED = {"status": "Accepted"}
_OTHER = "other"


def _of_first(name: str, *more: str, **told: str) -> list[Table]:
    """Return what is said of the first entry of a list, with the parts that are repeated."""
    parts = {part: f"{{{{message.data.{name}.0.{part}}}}}" for part in ("component", "variable", *more)}
    return [parts | told]


_ANSWERS: dict[str, dict[str, Table]] = {
    "1.6": {
        "GetConfiguration": {},
        "GetDiagnostics": {},
        "GetLocalListVersion": {"listVersion": 0},
        "UnlockConnector": {"status": "Unlocked"},
        "UpdateFirmware": {},
    },
    "2.0.1": {
        "ClearVariableMonitoring": {"clearMonitoringResult": [{"id": "{{message.data.id.0}}", "status": "NotFound"}]},
        "CostUpdated": {},
        "GetLocalListVersion": {"versionNumber": 0},
        "GetTransactionStatus": {"messagesInQueue": False},
        "GetVariables": {"getVariableResult": _of_first("getVariableData", attributeStatus="UnknownVariable")},
        "SetVariableMonitoring": {
            "setMonitoringResult": _of_first("setMonitoringData", "type", "severity", status="UnknownVariable")
        },
        "SetVariables": {"setVariableResult": _of_first("setVariableData", attributeStatus="UnknownVariable")},
        "UnlockConnector": {"status": "Unlocked"},
        "UnpublishFirmware": {"status": "NoFirmware"},
    },
}
"""Answers to calls whose result has no status Accepted; of a list, only the first is answered."""
_ERRORS = {
    "NotImplemented": "the server does not know the action",
    "NotSupported": "the server knows the action, and does not support it",
    "InternalError": "the server failed",
    "ProtocolError": "the message is not one of OCPP",
    "SecurityError": "a security matter kept the server from it",
    "FormationViolation": "the payload is not formed as the action wants it",
    "FormatViolation": "the payload is not formed as the action wants it",
    "PropertyConstraintViolation": "a field has a value that it may not have",
    "OccurenceConstraintViolation": "a field is missing, or there too often",
    "OccurrenceConstraintViolation": "a field is missing, or there too often",
    "TypeConstraintViolation": "a field has a value of another type",
    "MessageTypeNotSupported": "the server does not know this type of message",
    "RpcFrameworkError": "the message is not a call",
    "GenericError": "an error without a code of its own",
}
"""What the codes mean, for servers that send no description."""


class Ocpp(Dialect):
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
        return [table | {"reason": ["data.status", "reason"]}]

    def step(self, keys: OcppKeys, given: Table) -> Table:
        if not keys.call:
            raise BadKey(("call",), 'is missing: write call = "Heartbeat"')
        return self._called(keys.call, keys.data, given)

    def _called(self, action: str, data: Table, given: Table) -> Table:
        table = given | {"frames": text(Json([2, "{{seq text}}", action, data]))}
        own = {"id": "{{seq text}}"}
        return reply(table, {"type": "result"} | own, "data", {"type": "error"} | own, reason=["reason"])

    def begins_with(self) -> list[Table]:
        if self.options.version == "1.6":
            return []
        status = {"connectorStatus": "Available", "evseId": 1, "connectorId": 1, "timestamp": "{{timestamp iso}}"}
        return [{"name": "status", "call": "StatusNotification", "data": status}]

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        """Return the first BootNotification as an option, and later heartbeats as what the charge point does itself."""
        match document(frame):
            case [2, str(own), "BootNotification", dict(boot)] if not state.kept:
                state.kept["boots"] = True
                return [RecordedStep({"boot": boot}, own, opens=True)]
            case [2, str(own), "Heartbeat", _] if state.kept.get("boots"):
                return [RecordedStep({}, own)]
            case [2, str(own), str(action), dict(data)]:
                boots = state.kept.setdefault("boots", False)
                opening = [] if boots or "told" in state.kept else [RecordedStep({"boot": {}}, opens=True)]
                state.kept["told"] = True
                return [*opening, RecordedStep({"call": action, "data": data}, own)]
            case [3, str(own), dict(payload)]:
                asked = next((m["action"] for m in state.received if m.get("id") == own and "action" in m), "")
                return [RecordedStep({"answers": {asked: payload}}, opens=True)] if asked else []
        raise Malformed("neither a call nor a result")

    @property
    def _answers(self) -> dict[str, Table]:
        return _ANSWERS[self.options.version] | self.options.answers

    def rules(self) -> dict[str, list[Table]]:
        answers = self._answers | {_OTHER: _ACCEPTED}
        rules: dict[str, list[Table]] = {
            "answer": [
                {"on": {"type": "call", "answer": action}, "frames": _result(payload)}
                for action, payload in answers.items()
            ],
            "errors": [{"on": {"type": "error"}, "reason": ["reason"]}],
        }
        if self.options.boot != {}:
            beat = self._called("Heartbeat", {}, {})
            rules["heartbeats"] = [{"every": "{{_beat}}s", "frames": beat["frames"], "expect": beat["expect"]}]
        return rules

    def decoder(self) -> Decode:
        return partial(decode, frozenset(self._answers))


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
            words = description or _ERRORS.get(str(code), "")
            made["reason"] = f"{code}: {words}" if words else code
        case _:
            raise Malformed("neither a call, a result nor an error")
    return ((made, payload),), None


KINDS = {"ocpp": Ocpp}
