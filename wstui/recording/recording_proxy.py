"""Stands between real clients and a server on this machine's loopback, and notes what passes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import os
import ssl
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.frames import Close

from wstui.execution.run.compile import connect_of
from wstui.load.connect_outcome import cause_of
from wstui.load.dialer import Dialer, tls_context
from wstui.recording.http_relay import (
    LARGEST_HEAD,
    BadRequest,
    RequestHead,
    answer_bytes,
    body_text,
    read_answer,
    read_body,
    read_head,
    request_headers,
)
from wstui.recording.recording import Recorder
from wstui.recording.session import Headers, RecordedRequest, value_of
from wstui.recording.tap import Tap
from wstui.scenario.model import Scenario
from wstui.scenario.url import parse_address

_CHUNK = 1 << 16
_NO_HTTP = b"this proxy records WebSocket connections; start it with --http for the pages and requests beside them\n"


@dataclass(frozen=True, slots=True)
class TrafficLine:
    """Something that passed, for the screen. `sent` is None unless it is a message."""

    at: float
    number: int
    sent: bool | None
    data: str | bytes
    headers: Headers = field(default_factory=list, repr=False)


class RecordingProxy:
    """Relays bytes as they are. `count` has the connections, messages and HTTP requests so far."""

    def __init__(
        self, scenario: Scenario, recorder: Recorder, show: Callable[[TrafficLine], None], *, http: bool
    ) -> None:
        """Raises OSError or ssl.SSLError when the scenario's TLS files can't be used."""
        spec = connect_of(scenario)
        self._address = parse_address(spec.url)
        self._tls = tls_context(spec) if self._address.secure else None
        self._dialer = Dialer(spec, asyncio.get_running_loop(), self._address)
        self._timeout = scenario.target.connect_timeout
        self._recorder = recorder
        self._show = show
        self._http = http
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        host, port = self._address.host, self._address.port
        named = f"[{host}]" if ":" in host else host
        self._host = named if port == (443 if self._address.secure else 80) else f"{named}:{port}"
        self._origin = f"http{'s' * self._address.secure}://{self._host}"
        self._ours = ""
        self.count: Counter[str] = Counter()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listen; return the port."""
        await self._dialer.resolve()
        self._server = await asyncio.start_server(self._connected, host, port, ssl=tls, limit=LARGEST_HEAD)
        port = int(self._server.sockets[0].getsockname()[1])
        named = f"[{host}]" if ":" in host else host
        self._ours = f"http{'s' * (tls is not None)}://{named}:{port}"
        return port

    async def stop(self) -> None:
        """Close all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = await read_head(reader)
            if head is None:
                return
            if head.is_upgrade:
                await self._websocket(head, reader, writer)
            elif self._http:
                await self._request(head, reader, writer)
            else:
                self._answer(writer, 404, "Not Found", _NO_HTTP)
        except BadRequest as error:
            self._note(0, str(error))
            self._answer(writer, 502, "Bad Gateway", str(error).encode())
        except TimeoutError:
            self._note(0, f"the target did not answer within {self._timeout:g} s")
            self._answer(writer, 504, "Gateway Timeout", b"no answer from the target\n")
        except (OSError, ssl.SSLError) as error:
            why = cause_of(error).message
            self._note(0, f"the target can't be reached ({why})")
            self._answer(writer, 502, "Bad Gateway", f"{why}\n".encode())
        except (asyncio.IncompleteReadError, ValueError):
            pass  # the client ended in the middle of its request
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                if writer.can_write_eof() and not writer.is_closing():
                    await asyncio.wait_for(writer.drain(), 5)
                writer.close()

    def _answer(self, writer: asyncio.StreamWriter, status: int, reason: str, body: bytes) -> None:
        if not writer.is_closing():
            writer.write(answer_bytes(status, reason, [("Content-Type", "text/plain")], body, "", ""))

    def _note(self, number: int, text: str, headers: Headers | None = None) -> None:
        self._show(TrafficLine(self._recorder.seconds(), number, None, text, headers or []))

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the target as a client of the load does. Raises OSError."""
        if self._dialer.failure is not None:
            raise self._dialer.failure
        async with asyncio.timeout(self._timeout):
            sock = await self._dialer.open_socket()
            name = self._address.host.rstrip(".") if self._tls is not None else None
            return await asyncio.open_connection(sock=sock, ssl=self._tls, server_hostname=name, limit=LARGEST_HEAD)

    # -- WebSocket -----------------------------------------------------------------------------------------------

    async def _websocket(self, head: RequestHead, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count["connections"] += 1
        number = self.count["connections"]
        path = head.path if head.path != "/" else self._address.resource_name
        url = f"ws{'s' * self._address.secure}://{self._host}{path}"
        headers = [
            (name, value.replace(self._ours, self._origin) if name.lower() == "origin" else value)
            for name, value in head.headers
            if name.lower() != "host"
        ]
        self._recorder.upgrade(number, url, headers)
        self._note(number, f"connects to {url}", headers)
        target_reader, target_writer = await self._dial()
        try:
            target_writer.write(head.bytes([("Host", self._host), *headers], path))
            async with asyncio.timeout(self._timeout):
                try:
                    raw = await target_reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError as error:
                    raise BadRequest("the target closed instead of answering the upgrade") from error
            first, *lines = raw.decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1]) if first[9:12].isdigit() else 0
            answer = [(name.strip(), value.strip()) for name, _, value in (s.partition(":") for s in lines if s)]
            self._recorder.answer(number, status, answer)
            writer.write(raw)
            if status != 101:
                self._note(number, f"was refused: {first}", answer)
                await _copy(target_reader, writer)
                return
            extensions = value_of(answer, "sec-websocket-extensions")
            await self._relay(number, extensions, (reader, writer), (target_reader, target_writer))
        finally:
            target_writer.close()

    async def _relay(
        self,
        number: int,
        extensions: str,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        target: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        ways = [
            asyncio.ensure_future(self._pass(number, Tap(sent=True, extensions=extensions), client[0], target[1])),
            asyncio.ensure_future(self._pass(number, Tap(sent=False, extensions=extensions), target[0], client[1])),
        ]
        closed: set[str] = set()
        try:
            for way in asyncio.as_completed(ways):
                closed.add(await way)
        finally:
            for way in ways:
                way.cancel()
            self._note(number, f"ended: {', '.join(sorted(closed - {''})) or 'without a close frame'}")

    async def _pass(self, number: int, tap: Tap, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Pass the bytes of one direction on until they end; return how it closed."""
        closed = ""
        by = "client" if tap.sent else "server"
        try:
            while data := await reader.read(_CHUNK):
                writer.write(data)
                was_broken = tap.broken
                for message in tap.read(data):
                    if isinstance(message, Close):
                        closed = f"close {int(message.code)} by the {by}"
                        self._recorder.close(number, by, int(message.code), message.reason)
                    else:
                        self.count["messages"] += 1
                        self._recorder.frame(number, tap.sent, message)
                        self._show(TrafficLine(self._recorder.seconds(), number, tap.sent, message))
                if tap.broken and not was_broken:
                    self._note(number, f"what the {by} sends is not recorded any more: {tap.broken}")
                await writer.drain()
        except OSError:
            pass  # it was reset: the other side gets its end as well
        with contextlib.suppress(OSError, RuntimeError):
            if writer.can_write_eof():
                writer.write_eof()
            else:
                writer.close()
        return closed

    # -- HTTP ----------------------------------------------------------------------------------------------------

    async def _request(self, head: RequestHead, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count["HTTP requests"] += 1
        at = self._recorder.seconds()
        body = await read_body(reader, head.headers)
        target_reader, target_writer = await self._dial()
        try:
            headers = request_headers(head.headers, self._host, self._ours, self._origin, len(body))
            target_writer.write(head.bytes(headers, head.path) + body)
            async with asyncio.timeout(self._timeout):
                status, reason, answer, content = await read_answer(target_reader, head.method)
        finally:
            target_writer.close()
        url = f"{self._origin}{head.path}"
        self._recorder.http(
            RecordedRequest(at, head.method, url, headers, body_text(body, head.headers), status, answer,
                    body_text(content, answer))
        )  # fmt: skip
        self._note(0, f"{head.method} {url}: {status}", [*headers, *answer])
        writer.write(answer_bytes(status, reason, answer, content, self._ours, self._origin))
        await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


_DAY = datetime.timedelta(days=1)


def made_certificate() -> ssl.SSLContext:
    """Return the TLS settings of a server with a throwaway certificate for localhost."""
    from cryptography import x509  # 60 ms
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wstui record")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - _DAY, now + 7 * _DAY)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
    with tempfile.NamedTemporaryFile() as file:  # for its owner alone
        file.write(pem + certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        return served_with(file.name, None)


def served_with(cert_file: str, key_file: str | None) -> ssl.SSLContext:
    """Return the TLS settings of a server with this certificate. Raises OSError or ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.fspath(cert_file), key_file, lambda: "")  # never ask on a terminal
    return context
