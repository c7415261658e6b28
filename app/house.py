"""What a house says about its services: the catalogue in force, and the resource attributes that it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

import structlog

from app.catalogue import Catalogue, CatalogueFile, Description, Entries, load
from app.settings import Alias, Settings
from topology.model import Resource, Service

MAX_SERVICES = 100_000
_log = structlog.get_logger("synoptic.catalogue")


class House:
    """Answers how a service is presented; follows the file the catalogue is written in: its own, or else
    `configuration`. Thread-safe for one writer.

    `changed` is called after every new catalogue: who remembers a `sender` forgets it then. Attributes are remembered
    only where the catalogue matches by them; they are kept across restarts by the owner, as `content` and `restore`.
    """

    def __init__(self, settings: Settings, configuration: CatalogueFile | None = None) -> None:
        self._catalogue = Catalogue(settings.catalogue)
        self._aliases = settings.aliases
        self.changed: Callable[[], None] = lambda: None
        self.file = configuration
        if settings.catalogue.file:
            self.file = CatalogueFile(settings.catalogue.file, load(settings.catalogue.file))
        self._told: tuple[object, ...] = ()
        self._attributes: dict[Service, dict[str, str]] = {}
        self._wanted = _wanted(self._now().entries)

    def _now(self) -> Catalogue:
        return self.file.catalogue if self.file else self._catalogue

    @property
    def entries(self) -> Entries:
        """The catalogue as it is written."""
        return self._now().entries

    def reload(self) -> bool:
        """Looks at the file; True when there is a new catalogue, which then holds for whatever comes."""
        if self.file is None:
            return False
        fresh = self.file.refresh()
        if fresh:
            self._wanted = _wanted(self.entries)
            self.changed()
        if self.file.faults != self._told:
            self._told = self.file.faults
            for fault in self.file.faults:
                _log.error("the catalogue has a fault; the old one stays", fault=str(fault))
        return fresh

    def note(self, service: Service, found: Mapping[str, str]) -> None:
        """Remembers the attributes of a service's resource that the catalogue asks for."""
        kept = {name: found[name] for name in self._wanted if name in found}
        if kept and (service in self._attributes or len(self._attributes) < MAX_SERVICES):
            self._attributes[service] = kept

    def sender(self, resource: Resource, found: Mapping[str, str]) -> Resource:
        """Who sent it, by what its resource says (`found`), and in the catalogue's zone where it names none."""
        self.note(resource.service, found)
        zone = resource.zone or self.describe(resource.service).zone
        return replace(resource, zone=zone) if zone else resource

    def describe(self, service: Service) -> Description:
        """How a service is presented."""
        return self._now().describe(service, self._attributes.get(service))

    def title(self, service: Service) -> dict[str, str]:
        """What a service is called, by language."""
        said = self.describe(service)
        return {"en": said.title_en, "zh": said.title_zh}

    def shown(self, service: Service) -> Service | None:
        """Under which service one is drawn; None when the house does not want to see it."""
        attributes = self._attributes.get(service)
        merged = self._now().merged(service, attributes)
        return None if self._now().hidden(merged, attributes) else merged

    def user_for(self, entry: Service) -> Service | None:
        """Who calls an entry service from outside, when the house gives the caller a name."""
        return self._now().user_for(entry)

    @property
    def asks_for_ports(self) -> bool:
        """Whether an alias names an address with its port."""
        return any(":" in alias.address for alias in self._aliases)

    def alias(self, address: str, port: int, environment: str) -> Service | None:
        """The service that answers at an address, by the first alias that fits; port 0 is not known."""
        found = next((a for a in self._aliases if _fits(a, address, port)), None)
        return Service(environment, found.namespace, found.name) if found else None

    def content(self) -> bytes:
        """The remembered attributes, to be kept."""
        kept = {service.id: attributes for service, attributes in list(self._attributes.items())}
        return json.dumps(kept, sort_keys=True).encode()

    def restore(self, content: bytes) -> None:
        """Takes back what `content` gave before a restart."""
        self._attributes |= {Service.from_id(key): kept for key, kept in json.loads(content).items()}


def _wanted(entries: Entries) -> frozenset[str]:
    asked = [entry.attribute for entry in entries.services]
    asked += [selector.attribute for selector in entries.hide] + [merge.attribute for merge in entries.merge]
    return frozenset(name for attributes in asked for name in attributes)


def _fits(alias: Alias, address: str, port: int) -> bool:
    pattern = alias.address.replace("[", "[[]")
    whole = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    with_port = port > 0 and ":" in pattern and fnmatchcase(whole, pattern)
    return bool(address) and (with_port or fnmatchcase(address, pattern))
