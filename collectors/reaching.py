"""How a server that is asked is reached: its address, and whom to trust."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from collectors.config import Matching, ReadableFile, Secret

Url = Annotated[str, Matching(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", "an address such as http://host:8080")]


def login_faults(username: str, password: Secret | None, **other: Secret | None) -> Iterator[tuple[str, str, str]]:
    """What is wrong with who asks: by name and password, by the `other` secret (by its key), or as nobody."""
    if (password is None) != (not username):
        yield "password", "username and password together", "one of them"
    for key, secret in other.items():
        if secret is not None and username:
            yield key, "either this or a name and a password", "both"


def trust_faults(ca: ReadableFile | None) -> Iterator[tuple[str, str, str]]:
    """What is wrong with certificates that are trusted in place of those of the system."""
    try:
        ssl.create_default_context(cafile=ca)
    except OSError:
        yield "ca", "certificates in PEM", "nothing of that kind"


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust, and who we are: PEM files. `verify: false` trusts anybody."""

    ca: ReadableFile | None = None
    certificate: ReadableFile | None = None
    key: ReadableFile | None = None
    verify: bool = True

    def check(self) -> Iterator[tuple[str, str, str]]:
        """A certificate and its key come together, and the files are what they are named after."""
        if (self.certificate is None) != (self.key is None):
            yield "certificate", "a certificate together with its key", "only one of them"
            return
        try:
            self.context()
        except OSError as error:
            found = str(getattr(error, "reason", None) or "nothing of that kind").lower().replace("_", " ")
            yield "", "certificates and a key in PEM", found

    def context(self) -> ssl.SSLContext:
        """How to speak TLS; OSError when a file is not what it should be."""
        context = ssl.create_default_context(cafile=self.ca)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate and self.key:
            # an empty password, so that nobody is asked for one on a terminal
            context.load_cert_chain(self.certificate, self.key, password="")
        return context
