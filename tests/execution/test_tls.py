"""wss:// over real sockets: own authorities, client certificates, and what is trusted only when told."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection, serve

from tests.execution.running import finish
from tests.load.leading import led
from tests.servers.server import until
from wstui.execution.preflight.first_message import first_client
from wstui.execution.preflight.probe import Probe, Unreachable
from wstui.scenario.checks import check
from wstui.scenario.errors import ScenarioError
from wstui.scenario.model import Messages, Scenario, Stage, Target


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, on disk."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: str
    key_file: str


def _usage(ca: bool) -> x509.KeyUsage:
    """What a key is for. Python 3.13 wants an authority to say so."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """Signs certificates, and writes them into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.own = self._sign(name, None, ca=True)

    @property
    def file(self) -> str:
        return self.own.cert_file

    def sign(self, name: str, *addresses: x509.GeneralName, ended: bool = False) -> Signed:
        return self._sign(name, self.own, addresses, ended=ended)

    def _sign(
        self,
        name: str,
        by: Signed | None,
        addresses: tuple[x509.GeneralName, ...] = (),
        *,
        ca: bool = False,
        ended: bool = False,
    ) -> Signed:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        signer = by.key if by else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(minutes=-1 if ended else 60))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if addresses:
            builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        certificate = builder.sign(signer, hashes.SHA256())
        cert_file, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(key_bytes(key))
        return Signed(certificate, key, str(cert_file), str(key_file))


def key_bytes(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def server_certificate(authority: Authority) -> Signed:
    return authority.sign("server", LOOPBACK, x509.DNSName("localhost"))


@pytest.fixture(scope="module")
def client_certificate(authority: Authority) -> Signed:
    return authority.sign("client")


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@contextlib.asynccontextmanager
async def echoing(certificate: Signed, *, demands: str = "", **settings: Any) -> AsyncIterator[str]:
    """The URL of a server with this certificate; `demands` one of its clients, signed by this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    if demands:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(demands)
    async with serve(_echo, "127.0.0.1", 0, ssl=context, **settings) as server:
        yield f"wss://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


def encrypted(url: str, **target: Any) -> Scenario:
    return Scenario(
        target=Target(
            url=url, ready="open", settle=0.05, health="off", connect_timeout=10.0, close_timeout=3.0, **target
        ),
        stages=[Stage(name="ramp", over=0.1, clients=3), Stage(name="hold", over=0.7)],
        messages=Messages(exchange="echo", every=0.05, timeout=10.0),
    )


async def outcome(scenario: Scenario) -> tuple[int, int, list[str]]:
    """Ready, failed and the kinds of failure of three clients on asyncio's own loop."""
    async with led(scenario, clients=3) as running:
        await until(lambda: running.c.ready + running.c.failed + running.c.refused >= 3)
        if running.c.ready:
            await until(lambda: running.c.matched >= 10)
        c = await running.drained()
        return c.ready, c.failed, [f"{group.kind}: {group.message}" for group in running.failures]


async def test_an_authority_of_ones_own_is_trusted(authority: Authority, server_certificate: Signed) -> None:
    async with echoing(server_certificate) as url:
        scenario = encrypted(url, ca_file=authority.file)
        assert (await outcome(scenario))[:2] == (3, 0)
        finished = await finish(scenario)  # and in a process of its own, on uvloop where there is one
        assert finished.counters.ready == 3 and finished.counters.matched > 10


async def test_an_authority_that_nobody_named_is_not_trusted(server_certificate: Signed) -> None:
    async with echoing(server_certificate) as url:
        ready, failed, failures = await outcome(encrypted(url))
        assert (ready, failed) == (0, 3)
        assert all(text.startswith("tls: certificate not trusted") for text in failures)
        finished = await finish(encrypted(url))
        assert finished.failures == {"tls": 3} and finished.result.verdict.unreachable


async def test_insecure_trusts_anybody(server_certificate: Signed) -> None:
    async with echoing(server_certificate) as url:
        assert (await outcome(encrypted(url, insecure=True)))[:2] == (3, 0)
        finished = await finish(encrypted(url, insecure=True))
        assert finished.counters.ready == 3


async def test_a_certificate_for_another_host_is_not_trusted(authority: Authority) -> None:
    other = authority.sign("elsewhere", x509.DNSName("example.com"))
    async with echoing(other) as url:
        ready, _, failures = await outcome(encrypted(url, ca_file=authority.file))
        assert ready == 0 and "127.0.0.1" in failures[0]


async def test_clients_show_their_certificate_where_one_is_demanded(
    authority: Authority, server_certificate: Signed, client_certificate: Signed
) -> None:
    async with echoing(server_certificate, demands=authority.file) as url:
        shown = encrypted(
            url,
            ca_file=authority.file,
            cert_file=client_certificate.cert_file,
            key_file=client_certificate.key_file,
        )
        assert (await outcome(shown))[:2] == (3, 0)
        finished = await finish(shown)
        assert finished.counters.ready == 3


@contextlib.contextmanager
def demanding(certificate: Signed, authority: Authority) -> Iterator[str]:
    """A server on blocking sockets: OpenSSL itself sends the alert there, as most servers in the field do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_all() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.settimeout(30)
                with client, contextlib.suppress(OSError):
                    context.wrap_socket(client, server_side=True)
                    raise AssertionError("nobody has a certificate")

    thread = threading.Thread(target=serve_all, daemon=True)
    thread.start()
    try:
        yield f"wss://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


WANTED = "tls: the server wants a client certificate: target.cert_file"


async def test_without_it_they_fail_also_where_the_server_only_hangs_up(
    authority: Authority, server_certificate: Signed
) -> None:
    async with echoing(server_certificate, demands=authority.file) as url:
        assert await outcome(encrypted(url, ca_file=authority.file)) == (0, 3, [WANTED])
        with pytest.raises(Unreachable, match=r"wants a client certificate: set target\.cert_file"):
            await first_client(encrypted(url, ca_file=authority.file), Probe())


async def test_a_certificate_that_has_expired_or_has_another_name_is_told_as_such(
    authority: Authority, folder: Path
) -> None:
    expired = authority.sign("expired", LOOPBACK, ended=True)
    other = authority.sign("other", x509.DNSName("other.example"))
    for certificate, words, fix in (
        (expired, "the server's certificate has expired", "renew it"),
        (other, "the server's certificate is for another name", "target.url"),
    ):
        async with echoing(certificate) as url:
            asked = encrypted(url, ca_file=authority.file)
            _, failed, failures = await outcome(asked)
            assert failed == 3 and failures[0].startswith(f"tls: {words}")
            with pytest.raises(Unreachable, match=words) as caught:
                await first_client(asked, Probe())
            assert fix in caught.value.fix and "authority" not in caught.value.fix and "wss" not in caught.value.fix


async def test_without_it_they_fail_and_tls_says_so(authority: Authority, server_certificate: Signed) -> None:
    with demanding(server_certificate, authority) as url:
        ready, failed, failures = await outcome(encrypted(url, ca_file=authority.file))
        assert (ready, failed, failures) == (0, 3, [WANTED])
        finished = await finish(encrypted(url, ca_file=authority.file))
        assert finished.counters.failed == 3
        assert (finished.failures, finished.messages) == ({"tls": 3}, [WANTED.removeprefix("tls: ")])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_that_is_not_accepted_is_told_as_such(
    version: ssl.TLSVersion, authority: Authority, server_certificate: Signed, folder: Path
) -> None:
    stranger = Authority(folder, "stranger").sign("strangers-client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate.cert_file, server_certificate.key_file)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version
    context.load_verify_locations(authority.file)
    async with serve(_echo, "127.0.0.1", 0, ssl=context) as server:
        url = f"wss://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        brought = {"cert_file": stranger.cert_file, "key_file": stranger.key_file}
        asked = encrypted(url, ca_file=authority.file, **brought)
        _, failed, failures = await outcome(asked)
        assert failed == 3 and all(text.startswith("tls: ") and "client certificate" in text for text in failures)
        with pytest.raises(Unreachable, match=r"client certificate.*target\.cert_file"):
            await first_client(asked, Probe())


async def test_plain_text_on_a_tls_port_and_tls_on_a_plain_one_fail_and_say_so(server_certificate: Signed) -> None:
    async with echoing(server_certificate) as url:
        ready, failed, _ = await outcome(encrypted(url.replace("wss:", "ws:")))
        assert (ready, failed) == (0, 3)
    async with serve(_echo, "127.0.0.1", 0) as server:
        url = f"wss://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        ready, failed, failures = await outcome(encrypted(url, insecure=True))
        assert (ready, failed) == (0, 3) and failures[0].startswith(("tls", "reset"))


async def test_compression_and_encryption_go_together(authority: Authority, server_certificate: Signed) -> None:
    async with echoing(server_certificate, compression="deflate") as url:
        scenario = encrypted(url, ca_file=authority.file, compression=True)
        messages = scenario.messages.model_copy(update={"size": 2000})
        finished = await finish(scenario.model_copy(update={"messages": messages}))
    sent, received = finished.result.messages, finished.counters
    assert received.matched == received.sent > 10
    assert sent.bytes_received * 4 < sent.bytes_received_inflated
    assert sent.bytes_sent * 4 < sent.bytes_sent_inflated


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ({"ca_file": "client.key"}, "target.ca_file = .* contains no certificate"),
        ({"cert_file": "client.pem"}, "target.cert_file = .* cannot be used"),
        ({"cert_file": "client.pem", "key_file": "server.key"}, "target.key_file = .* is not the key of cert_file"),
        ({"cert_file": "client.pem", "key_file": "locked.key"}, "target.key_file = .* is locked with a password"),
        ({"cert_file": "client.key", "key_file": "client.key"}, "target.cert_file = .* they take PEM"),
        ({"key_file": "client.key"}, "target.key_file = .* needs cert_file beside it"),
        ({"ca_file": "nowhere.pem"}, "target.ca_file = .* is not a file"),
    ],
)
def test_files_that_cannot_be_used_are_named_before_the_run(
    folder: Path, server_certificate: Signed, client_certificate: Signed, target: dict[str, str], advice: str
) -> None:
    (folder / "locked.key").write_bytes(key_bytes(client_certificate.key, b"secret"))
    scenario = encrypted("wss://127.0.0.1:1/", **{name: str(folder / file) for name, file in target.items()})
    with pytest.raises(ScenarioError, match=advice):
        check(scenario)


async def test_the_first_client_tells_each_step_with_its_time(authority: Authority, server_certificate: Signed) -> None:
    seen = Probe()
    async with echoing(server_certificate) as url:
        await first_client(encrypted(url, ca_file=authority.file), seen)
    assert [step.name for step in seen.steps] == ["resolve", "connect", "tls", "upgrade", "settle", "reply"]
    assert all(step.took_ms >= 0 for step in seen.steps) and seen.steps[2].note.startswith("TLSv1.3")


async def test_the_first_client_ends_where_the_certificate_is_not_trusted(server_certificate: Signed) -> None:
    seen = Probe()
    async with echoing(server_certificate) as url:
        with pytest.raises(Unreachable, match="not trusted"):
            await first_client(encrypted(url), seen)
    assert [step.name for step in seen.steps] == ["resolve", "connect"]
