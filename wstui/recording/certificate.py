"""A certificate for the moment: for localhost, signed by itself, gone with the process."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import tempfile

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
