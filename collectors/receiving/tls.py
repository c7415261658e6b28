"""Certificates of a receiver: the PEM files it is told, and what its servers make of them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.config import ReadableFile

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of the receiver. With `client_ca`, senders must show a certificate signed by it."""

    certificate: ReadableFile
    key: ReadableFile
    client_ca: ReadableFile | None = None

    def check(self) -> Iterator[tuple[str, str, str]]:
        """The files are what they are named after, and the key is that of the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # an empty password, so that nobody is asked for one on a terminal
            context.load_cert_chain(self.certificate, self.key, password="")
        except OSError as error:
            yield "certificate", "a certificate in PEM, and its own key without a password", _reason(error)
        try:
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
        except OSError as error:
            yield "client_ca", "certificates in PEM", _reason(error)


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or "nothing of that kind").lower().replace("_", " ")


def server_context(tls: Tls) -> ssl.SSLContext:
    """A TLS 1.2+ context for the HTTP server; OSError or ssl.SSLError for unusable files."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def grpc_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Credentials for the gRPC server; OSError or ssl.SSLError for unusable files."""
    import grpc

    server_context(tls)  # gRPC reports a bad pair only as a port that cannot be opened
    client_ca = tls.client_ca.read_bytes() if tls.client_ca is not None else None
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], root_certificates=client_ca, require_client_auth=client_ca is not None)
