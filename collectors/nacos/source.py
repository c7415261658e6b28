"""The Nacos collector: asked every so often, it answers with everything that is registered now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collectors.contract import Context, Pulled
from collectors.nacos.config import Config
from collectors.nacos.documents import Host, Key, NotThere
from collectors.nacos.reading import APIS, Api, Found, Reading
from collectors.nacos.rules import Rules
from collectors.nacos.servers import Servers
from topology.errors import SourceUnavailable, Why
from topology.registry import Instance

LOOK_AGAIN_S = 3600.0
"""After how long it is found out anew which API the server speaks best."""
KEPT_S = 900.0
"""How long instances are kept that could not be read again."""


class NacosRegistry:
    """A `Puller` of instances. It remembers which API answered, and of every service what was read last: when a part
    of the registry cannot be read, that part is told as it was, for at most `KEPT_S`, and a fault says so."""

    def __init__(self, config: Config, name: str, context: Context) -> None:
        self._config, self._clock = config, context.clock
        self._rules = Rules(config, name, context.environment, context.mask)
        self._servers = Servers(config, context.clock)
        self._api: Api | None = None
        self._whole, self._chosen_s = False, 0.0
        self._known: dict[Key, tuple[tuple[Host, ...], float]] = {}

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """Everything that is registered now, whatever minutes are asked for."""
        self._servers.begin()
        reasons = []
        for api in self._order():
            try:
                found = Reading(self._servers, self._config, api, self._age_s).run()
            except NotThere as why:
                reasons.append(f"v{api.version}: {why}")
            else:
                self._choose(api, found.whole)
                self._remember(found)
                return Pulled(instances=self._instances(), faults=found.faults)
        self._api = None
        raise SourceUnavailable("no API answers; " + "; ".join(reasons), why=Why.STRANGER)

    def counters(self) -> Mapping[str, float]:
        """Requests, logins and changes of server since the start; services and instances known; the API in use, and
        whether its catalogue answers, which tells disabled instances too."""
        instances = sum(len(hosts) for hosts, _ in self._known.values())
        known = {"registered_services": len(self._known), "registered_instances": instances}
        api = {"api_version": self._api.version if self._api else 0, "catalogue": int(self._whole)}
        return {**self._servers.counters, **known, **api}

    def close(self) -> None:
        """Closes the connections."""
        self._servers.close()

    def _order(self) -> Sequence[Api]:
        """The API that answered last first, then the newest; once an hour the newest first, should there be a newer."""
        if self._api is None or self._clock() - self._chosen_s > LOOK_AGAIN_S:
            return APIS
        return (self._api, *(api for api in APIS if api != self._api))

    def _choose(self, api: Api, whole: bool) -> None:
        if api != self._api or self._clock() - self._chosen_s > LOOK_AGAIN_S:
            self._chosen_s = self._clock()
        self._api, self._whole = api, whole

    def _age_s(self, key: Key) -> float:
        known = self._known.get(key)
        return self._clock() - known[1] if known else float("inf")

    def _remember(self, found: Found) -> None:
        """What was read takes the place of what was known; what is no longer listed is gone, and so is what could not
        be read for too long."""
        now_s = self._clock()
        for key in list(self._known):
            if key not in found.listed.get(key.namespace, {key}):
                del self._known[key]
        self._known |= {key: (hosts, now_s) for key, hosts in found.services.items()}
        stale = {key for key, (_, read_s) in self._known.items() if now_s - read_s > KEPT_S}
        if stale:
            found.faults.append(f"{len(stale)} services could not be read for {KEPT_S / 60:.0f} min and are left out")
        self._known = {key: known for key, known in self._known.items() if key not in stale}

    def _instances(self) -> tuple[Instance, ...]:
        return tuple(self._rules.instance(key, host) for key, (hosts, _) in self._known.items() for host in hosts)


def build(config: Config, name: str, context: Context) -> NacosRegistry:
    """The collector of this configuration; nothing is asked yet."""
    return NacosRegistry(config, name, context)
