"""What has to be told to reach a cluster."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from collectors.config import Duration, Matching, Range, ReadableFile, Secret
from collectors.reaching import login_faults, trust_faults

Url = Annotated[str, Matching(
    r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(:\d{1,5})?(/[^\s?#]*)?", "an address such as https://elastic.example:9200"
)]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Connection:
    """The hosts of one cluster, any of which may be asked, and who asks: by name and password, by API key (as the
    cluster shows it encoded, or `id:key`), or as nobody. `ca` holds the certificates that are trusted in place of those
    of the system. No request lasts longer than `timeout`; no more than `max_queries` are made in a minute.
    """

    hosts: tuple[Url, ...] = ("http://127.0.0.1:9200",)
    username: str = ""
    password: Secret | None = None
    api_key: Secret | None = None
    ca: ReadableFile | None = None
    timeout_s: Annotated[float, Duration(1, 300)] = 20.0
    max_queries: Annotated[int, Range(1, 100_000)] = 120

    def check(self) -> Iterator[tuple[str, str, str]]:
        """At least one host, one way to log in, and certificates that are some."""
        if not self.hosts:
            yield "hosts", "at least one address", "none"
        yield from login_faults(self.username, self.password, api_key=self.api_key)
        yield from trust_faults(self.ca)

    def authorization(self) -> Mapping[str, str]:
        """The header by which a request is known, with what the file of a secret says now; none for nobody."""
        if self.api_key is not None:
            key = self.api_key.reveal()
            return {"authorization": f"ApiKey {_encoded(key) if ':' in key else key}"}
        if self.password is not None:
            return {"authorization": f"Basic {_encoded(f'{self.username}:{self.password.reveal()}')}"}
        return {}


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
