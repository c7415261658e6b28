"""From what Nacos calls a thing to what the map calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from collectors.nacos.config import Config, Said
from collectors.nacos.documents import DEFAULT_GROUP, Host, Key
from topology.model import Service
from topology.registry import Instance

SAYS_NOTHING = frozenset({"", "public", DEFAULT_GROUP})
DEFAULT_CLUSTER = "DEFAULT"


class Rules:
    """The rules of one collector, whose name is `source`; see `Config`."""

    def __init__(self, config: Config, source: str, environment: str, mask: Callable[[str], str]) -> None:
        self._config, self._source, self._environment, self._mask = config, source, environment, mask

    def service(self, key: Key) -> Service:
        """Under which name a registered service is known."""
        environment = self._said(self._config.environment_from, key) or self._environment
        return Service(environment, self._said(self._config.namespace_from, key), self._mask(key.name))

    def instance(self, key: Key, host: Host) -> Instance:
        """A registered instance, its texts masked."""
        metadata = {word: self._masked(word, value) for word, value in host.metadata.items()}
        return Instance(
            self.service(key), host.ip, host.port, self._zone(host), host.cluster, host.healthy, host.enabled,
            host.weight, _first(self._config.version_keys, metadata), metadata, self._source,
        )  # fmt: skip

    def _said(self, by: Said, key: Key) -> str:
        word = {"none": "", "namespace": key.namespace, "group": key.group}[by]
        called = self._config.called.get(word)
        return called if called is not None else "" if word in SAYS_NOTHING else word

    def _zone(self, host: Host) -> str:
        cluster = host.cluster if self._config.zone_from_cluster and host.cluster != DEFAULT_CLUSTER else ""
        zone = _first(self._config.zone_keys, host.metadata) or cluster
        return self._mask(self._config.zones.get(zone, zone))

    def _masked(self, word: str, value: str) -> str:
        """A value as it may be shown. A key named like a secret hides what it says."""
        return self._mask(f"{word}={value}").removeprefix(f"{word}=")


def _first(keys: tuple[str, ...], metadata: Mapping[str, str]) -> str:
    return next((metadata[key] for key in keys if metadata.get(key)), "")
