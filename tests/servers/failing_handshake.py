"""Servers that go wrong before a client is ready."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.server import Connection, Server, accept_of, switching


class Refusing(Server):
    """Answers the request with a status other than 101."""

    status = b"403 Forbidden"
    headers: tuple[bytes, ...] = ()
    body = b""

    async def answer(self, client: Connection, key: bytes) -> bool:
        lines = [b"HTTP/1.1 " + self.status, b"Content-Length: %d" % len(self.body), *self.headers, b"", self.body]
        client.write(b"\r\n".join(lines))
        return False


class Rationing(Refusing):
    """Lets every other client in."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        if client.number % 2:
            return await super().answer(client, key)
        return await Server.answer(self, client, key)


class Silent(Server):
    """Accepts TCP and never answers."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        await client.reader.read()
        return False


class HalfDeaf(Server):
    """Leaves every other upgrade unanswered."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        if client.number % 2:
            await client.reader.read()
            return False
        return await super().answer(client, key)


class Mumbling(Server):
    """Says something that is not what was asked for, and then nothing."""

    words = b""

    async def answer(self, client: Connection, key: bytes) -> bool:
        client.write(self.words)
        await client.reader.read()
        return False


class HangingUp(Server):
    """Ends the connection instead of an answer."""

    reset = False

    async def answer(self, client: Connection, key: bytes) -> bool:
        if self.reset:
            client.reset()
        return False


class WrongKey(Server):
    """Accepts the upgrade with a key that is not the client's."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        client.write(switching(key).replace(accept_of(key), accept_of(b"another")))
        await client.reader.read()
        return False


class Gatekeeper(Server):
    """Accepts the upgrade and then sends the client away."""

    code = 1008
    reason = "not available for this user yet"

    async def opened(self, client: Connection) -> None:
        client.close(self.code, self.reason)


class Resetting(Server):
    """Accepts the upgrade and then resets TCP."""

    async def opened(self, client: Connection) -> None:
        client.reset()


class Speechless(Server):
    """Accepts the upgrade and never sends a welcome."""

    async def opened(self, client: Connection) -> None:
        pass


class Eager(Server):
    """Sends the welcome, and half of the next frame, in the same segment as the answer."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        welcome = b'\x81\x21{"type":"connection:established"}'
        client.write(switching(key) + welcome + b'\x81\x10{"type":"')
        await asyncio.sleep(0.02)
        client.write(b'hello"}')
        return True

    async def opened(self, client: Connection) -> None:
        pass


class Dripping(Server):
    """Sends its answer and the welcome a byte at a time."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        for byte in switching(key) + b'\x81\x21{"type":"connection:established"}':
            client.write(bytes((byte,)))
            await asyncio.sleep(0)
        return True

    async def opened(self, client: Connection) -> None:
        pass


class Secured(Server):
    """Speaks TLS with a certificate that it signed itself."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(**settings)
        self.certificate = folder / "certificate.pem"
        key_file = folder / "key.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wstui test")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate, key_file)
