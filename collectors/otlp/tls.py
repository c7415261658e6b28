"""Certificates for both servers, from the same PEM files."""

from __future__ import annotations

import ssl

import grpc

from collectors.otlp.config import Tls


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
    server_context(tls)  # gRPC reports a bad pair only as a port that cannot be opened
    client_ca = tls.client_ca.read_bytes() if tls.client_ca is not None else None
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], root_certificates=client_ca, require_client_auth=client_ca is not None)
