"""One reading of a cluster by one generation of its API: which services, and the instances of each.

The catalogue gives pages of services with all their instances, in few requests; the lists of v1 and v2 cost a request
a service and leave out what is disabled. Nacos 2.x serves the catalogue under v1; a 1.x counts its pages from 0, a 2.x
gives its first page for 0 and 1 alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from collectors.nacos.config import EVERY, Config
from collectors.nacos.documents import DEFAULT_GROUP, Host, Key, Listed, NotThere, catalogue, hosts, names
from collectors.nacos.servers import Exhausted, Params, Refused, Servers
from topology.errors import SourceUnavailable


@dataclass(frozen=True, slots=True)
class Api:
    """A generation of the API: where its catalogue is, from which page on, and where its lists are (v3 has none that
    everybody may read)."""

    version: int
    catalogue: str
    first_page: int
    services: str = ""
    instances: str = ""

    def of_service(self, key: Key) -> Params:
        """How the instances of a service are asked for."""
        if self.version == 1:
            return {"namespaceId": key.namespace, "serviceName": f"{key.group}@@{key.name}"}
        return {"namespaceId": key.namespace, "groupName": key.group, "serviceName": key.name}


APIS = (
    Api(3, "/v3/admin/ns/service/list", 1),
    Api(2, "/v1/ns/catalog/services", 0, "/v2/ns/service/list", "/v2/ns/instance/list"),
    Api(1, "/v1/ns/catalog/services", 0, "/v1/ns/service/list", "/v1/ns/instance/list"),
)


@dataclass
class Found:
    """What one reading brought: services with their instances, the services of the namespaces that were listed to the
    end, and what did not work. `whole` unless lists had to do."""

    services: dict[Key, tuple[Host, ...]] = field(default_factory=dict)
    listed: dict[str, set[Key]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    whole: bool = True


class Reading:
    """Reads with one API. `age` orders services: those read longest ago are asked first, should requests run out."""

    def __init__(self, servers: Servers, config: Config, api: Api, age: Callable[[Key], float]) -> None:
        self._servers, self._config, self._api, self._age = servers, config, api, age
        self._found = Found()

    def run(self) -> Found:
        """Everything of all namespaces. NotThere when this API does not answer or not to us, SourceUnavailable when
        nothing answers; what fails after something was read is a fault and keeps nothing back."""
        refused = 0
        for namespace in self._config.namespaces:
            try:
                self._namespace(namespace)
            except Refused as why:
                refused += 1
                self._found.faults.append(f"namespace {namespace}: {why}")
                if refused == len(self._config.namespaces):
                    raise
            except Exhausted:
                self._found.faults.append(f"stopped at {self._config.max_requests} requests; the rest stays as it was")
                break
            except (SourceUnavailable, NotThere) as why:
                if not self._found.services and not self._found.listed:
                    raise
                self._found.faults.append(f"namespace {namespace}: {why}")
        return self._found

    def _namespace(self, namespace: str) -> None:
        if self._api.services:  # else the catalogue itself tells whether there is such an API
            self._servers.get(self._api.services, self._page(namespace, DEFAULT_GROUP, 1, size=1))
        try:
            self._by_catalogue(namespace)
        except NotThere as why:
            if not self._api.services:
                raise
            self._by_lists(namespace, str(why))

    def _by_catalogue(self, namespace: str) -> None:
        seen: set[Key] = set()
        for page in self._pages(namespace):
            for key, found in page:
                seen.add(key)
                if any(fnmatchcase(key.group, group) for group in self._config.groups):
                    self._found.services[key] = found
        self._found.listed[namespace] = seen

    def _pages(self, namespace: str) -> Iterator[Sequence[Listed]]:
        number, seen = self._api.first_page, set[Key]()
        while True:
            asked = {**self._page(namespace, "", number), "withInstances": "true"}
            page = catalogue(self._servers.get(self._api.catalogue, asked), namespace)
            new = [listed for listed in page if listed[0] not in seen]
            seen.update(key for key, _ in new)
            yield new
            if (number and len(page) < self._config.page_size) or (number > 1 and not new):
                return
            number += 1

    def _by_lists(self, namespace: str, why: str) -> None:
        self._found.whole = False
        self._found.faults.append(f"namespace {namespace}: disabled instances are not told, no catalogue ({why})")
        groups = [group for group in self._config.groups if EVERY not in group]
        if len(groups) < len(self._config.groups):
            groups = list(dict.fromkeys([DEFAULT_GROUP, *groups]))
            self._found.faults.append(f"namespace {namespace}: groups cannot be listed; read: {', '.join(groups)}")
        keys = {Key(namespace, group, name) for group in groups for name in self._names(namespace, group)}
        self._found.listed[namespace] = keys
        for key in sorted(keys, key=lambda key: (-self._age(key), key)):
            self._found.services[key] = self._hosts(key)

    def _names(self, namespace: str, group: str) -> Iterator[str]:
        number = told = 0
        while True:
            number += 1
            page, count = names(self._servers.get(self._api.services, self._page(namespace, group, number)))
            yield from page
            told += len(page)
            if not page or told >= count:
                return

    def _hosts(self, key: Key) -> tuple[Host, ...]:
        """The instances of a service; none when it vanished since it was listed."""
        try:
            return hosts(self._servers.get(self._api.instances, self._api.of_service(key)))
        except Refused:
            raise
        except NotThere:
            return ()

    def _page(self, namespace: str, group: str, number: int, size: int = 0) -> Params:
        size = size or self._config.page_size
        asked: dict[str, str | int] = {"namespaceId": namespace, "pageNo": number, "pageSize": size}
        return asked | {"groupName": group} if group else asked
