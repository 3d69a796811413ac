"""OCPP-J against the `ocpp` library's own charge point handler as the central system."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.codecs import role_of
from tests.protocols.serving import failure, target
from tests.servers.server import until
from wstui.protocols.ocpp import decode
from wstui.scenario.conversation.dialect import Malformed

pytest.importorskip("ocpp", reason="the library ocpp is not installed")

import ocpp.messages
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call_result as result201
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

DAY = """
[[roles]]
name = "charger"
[[roles.loop]]
name = "start"
call = "StartTransaction"
data = { connectorId = 1, idTag = "tag-{{client}}", meterStart = 0, timestamp = "{{timestamp iso}}" }
expect = { "idTagInfo.status" = "Accepted" }
capture = { transaction = "transactionId" }
[[roles.loop]]
name = "stop"
call = "StopTransaction"
data = { transactionId = "{{transaction}}", meterStop = 10, timestamp = "{{timestamp iso}}" }
"""


class OcppLog:
    """What the central system got, and the statuses with which charge points answered its own calls."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.open_transactions: set[int] = set()
        self.paths: set[str] = set()
        self.url = ""


@contextlib.asynccontextmanager
async def serving(version: str = "1.6", boot: str = "Accepted", interval: int = 60) -> AsyncIterator[OcppLog]:
    log = OcppLog()
    now = datetime.now(UTC).isoformat

    class Central16(ChargePoint16):
        @on("BootNotification")
        def boot(self, **_: Any) -> Any:
            log.calls["BootNotification"] += 1
            return result16.BootNotification(now(), interval, boot)

        @on("Heartbeat")
        def beat(self) -> Any:
            log.calls["Heartbeat"] += 1
            return result16.Heartbeat(now())

        @on("StartTransaction")
        async def begin(self, **_: Any) -> Any:
            log.calls["StartTransaction"] += 1
            number = log.calls["StartTransaction"]
            log.open_transactions.add(number)
            return result16.StartTransaction(number, {"status": "Accepted"})

        @on("MeterValues")
        def measured(self, **_: Any) -> Any:
            log.calls["MeterValues"] += 1
            return result16.MeterValues()

        @on("StopTransaction")
        def end(self, transaction_id: int, **_: Any) -> Any:
            log.calls["StopTransaction"] += 1
            log.open_transactions.remove(transaction_id)
            return result16.StopTransaction()

    class Central201(ChargePoint201):
        @on("BootNotification")
        def boot(self, **_: Any) -> Any:
            log.calls["BootNotification"] += 1
            return result201.BootNotification(now(), interval, boot)

        @on("Heartbeat")
        def beat(self) -> Any:
            log.calls["Heartbeat"] += 1
            return result201.Heartbeat(now())

        @on("StatusNotification")
        def status(self, **_: Any) -> Any:
            log.calls["StatusNotification"] += 1
            return result201.StatusNotification()

    async def accept(connection: ServerConnection) -> None:
        assert connection.request is not None
        log.paths.add(connection.request.path)
        central: Any = (Central201 if version == "2.0.1" else Central16)("cp", connection)
        listening = asyncio.create_task(central.start())
        if version == "1.6" and interval == 60:
            for status in ("Hard", "Soft"):
                answer = await central.call(call16.Reset(status))
                log.answers[answer.status] += 1
        with contextlib.suppress(ConnectionClosed):
            await listening

    async with serve(accept, "127.0.0.1", 0, subprotocols=[f"ocpp{version}"]) as server:  # type: ignore[list-item]
        log.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/cp"
        yield log


async def test_each_charge_point_has_a_path_of_its_own() -> None:
    role = '[[roles]]\nname = "charger"'
    async with serving(interval=600) as log:
        for url in (log.url.removesuffix("/cp"), f"{log.url}/of/{{{{client}}}}"):
            async with led(scenario(url, role, clients=3, more=target("ocpp"))) as workers:
                await until(lambda: workers.c.ready == 3)
        assert log.paths == {*(f"/CP{n}" for n in range(3)), *(f"/cp/of/{n}" for n in range(3))}


async def test_transactions_are_counted_as_the_central_system_counts_them() -> None:
    more = target("ocpp", answers='{ Reset = { status = "Rejected" } }')
    async with serving() as log, led(scenario(log.url, DAY, clients=10, more=more)) as workers:
        await until(lambda: counts(workers, "stop").done >= 100 and log.answers["Rejected"] == 20)
        c = await workers.drained()
        assert c.ready == log.calls["BootNotification"] == 10 and not workers.failures
        assert counts(workers, "start").done == log.calls["StartTransaction"]
        assert counts(workers, "stop").done == log.calls["StopTransaction"]
        assert len(log.open_transactions) == counts(workers, "start").done - counts(workers, "stop").done
        balance(workers)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_heartbeats_follow_the_interval_of_the_boot_notification(version: str) -> None:
    idle = '[[roles]]\nname = "idle"'
    more = target("ocpp", version=f'"{version}"')
    async with serving(version, interval=1) as log, led(scenario(log.url, idle, clients=3, more=more)) as workers:
        await until(lambda: log.calls["Heartbeat"] >= 6)
        assert log.calls["BootNotification"] == 3 and not workers.failures
        await workers.drained()


async def test_a_rejected_charge_point_is_a_refused_attempt() -> None:
    async with serving(boot="Rejected") as log, led(scenario(log.url, DAY, clients=2, more=target("ocpp"))) as workers:
        await until(lambda: workers.c.refused == 2)
        assert failure(workers) == ("refused", "charger, BootNotification: Rejected")


async def test_an_error_of_the_central_system_fails_the_step_under_its_code() -> None:
    unknown = '[[roles]]\nname = "cp"\n[[roles.loop]]\nname = "odd"\ncall = "NoSuchAction"'
    async with serving() as log, led(scenario(log.url, unknown, clients=1, more=target("ocpp"))) as workers:
        await until(lambda: counts(workers, "odd").failed >= 2)
        kind, words = failure(workers)
        assert kind == "refused" and words.startswith("cp, odd: NotSupported")


def test_frames_are_read_as_the_library_makes_them() -> None:
    made = ocpp.messages.CallError("7", "GenericError", "no", {"a": 1}).to_json().encode()
    (((found, _),), _) = decode((), None, False, made)
    told = {"code": "GenericError", "description": "no", "details": {"a": 1}, "reason": "GenericError: no"}
    assert found == {"type": "error", "id": "7"} | told
    (((found, _),), _) = decode((), None, False, b'[4,"7","FormationViolation","",{}]')
    assert found["reason"] == "FormationViolation: the payload is not formed as the action wants it"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(JSON | st.tuples(st.integers(0, 5), JSON, JSON, JSON))
def test_whatever_comes_is_read_or_named(value: Any) -> None:
    with contextlib.suppress(Malformed):
        (((found, _),), _) = decode({"Reset"}, None, False, json.dumps(value).encode())
        assert found["type"] in ("call", "result", "error")


OF_CHARGE_POINTS = {
    "1.6": "CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile "
    "DataTransfer DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule GetConfiguration GetDiagnostics "
    "GetInstalledCertificateIds GetLocalListVersion GetLog InstallCertificate RemoteStartTransaction "
    "RemoteStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SignedUpdateFirmware TriggerMessage "
    "UnlockConnector UpdateFirmware",
    "2.0.1": "CancelReservation CertificateSigned ChangeAvailability ClearCache ClearChargingProfile "
    "ClearDisplayMessage ClearVariableMonitoring CostUpdated CustomerInformation DataTransfer DeleteCertificate "
    "GetBaseReport GetChargingProfiles GetCompositeSchedule GetDisplayMessages GetInstalledCertificateIds "
    "GetLocalListVersion GetLog GetMonitoringReport GetReport GetTransactionStatus GetVariables InstallCertificate "
    "PublishFirmware RequestStartTransaction RequestStopTransaction ReserveNow Reset SendLocalList "
    "SetChargingProfile SetDisplayMessage SetMonitoringBase SetMonitoringLevel SetNetworkProfile "
    "SetVariableMonitoring SetVariables TriggerMessage UnlockConnector UnpublishFirmware UpdateFirmware",
}
"""What a central system calls."""
ASKED = {"component": {"name": "Evse"}, "variable": {"name": "Power"}, "type": "Delta", "severity": 3}


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_each_call_of_a_central_system_gets_an_answer_that_it_takes(version: str) -> None:
    role = role_of("ocpp", version=version)
    assert role.decode is not None
    lists = {name: [ASKED] for name in ("getVariableData", "setVariableData", "setMonitoringData")}
    for action in OF_CHARGE_POINTS[version].split():
        call = json.dumps([2, "s1", action, lists | {"id": [7]}]).encode()
        ((document, _),), _ = role.decode(None, False, call)
        (render,) = (
            render for on, render, _ in role.answers if on.matches(document, call, on.bind(SimpleNamespace(values=[])))
        )
        asking = SimpleNamespace(of_message=lambda path, found=document: role.reader.value(found, path), values=[])
        kind, own, payload = json.loads(render(asking))
        answer = ocpp.messages.CallResult(own, payload, action=action)
        assert (kind, own) == (3, "s1")
        ocpp.messages._validate_payload(answer, version)
