"""What the Nacos collector can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal

from collectors.config import Duration, Name, Pace, Range, Secret
from collectors.reaching import Tls, Url

Said = Literal["none", "namespace", "group"]
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Config:
    """One Nacos cluster: `url` and, for when that server does not answer, `other_urls`.

    Read are the `groups` of the `namespaces` (ids; the group `*` is every one). A registered service belongs to the
    environment and the namespace that `environment_from` and `namespace_from` say: its Nacos namespace, its group, or
    nothing of the registry. `public` and `DEFAULT_GROUP` say nothing; `called` gives ids and groups another name. An
    instance's zone is the first of `zone_keys` in its metadata, else, with `zone_from_cluster`, its cluster, except
    DEFAULT; `zones` gives zones the name that the spans use. Its version is the first of `version_keys`. One pull makes
    at most `max_requests` requests.
    """

    url: Url
    other_urls: tuple[Url, ...] = ()
    namespaces: tuple[Name, ...] = ("public",)
    groups: tuple[Name, ...] = (EVERY,)
    username: Name | None = None
    password: Secret | None = None
    environment_from: Said = "none"
    namespace_from: Said = "group"
    called: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    zone_keys: tuple[Name, ...] = ("zone",)
    zone_from_cluster: bool = True
    zones: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    version_keys: tuple[Name, ...] = ("version",)
    timeout_s: Annotated[float, Duration(0.1, 300)] = 5.0
    page_size: Annotated[int, Range(1, 500)] = 200
    max_requests: Annotated[int, Range(10, 100_000)] = 2000
    tls: Tls | None = None
    pace: Pace = Pace()

    def check(self) -> Iterator[tuple[str, str, str]]:
        """A user has a password, and something is read."""
        if (self.username is None) != (self.password is None):
            yield "username", "a username together with its password", "only one of them"
        for key, listed in (("namespaces", self.namespaces), ("groups", self.groups)):
            if not listed:
                yield key, "at least one", "none"
